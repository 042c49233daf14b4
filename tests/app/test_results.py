"""From @task to a result, through a real worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from heijunka import Heijunka, JobFailed, ResultTimeout, commands
from heijunka.clock import Milliseconds
from heijunka.commands import Depths
from heijunka.errors import ResultNotKept
from tests.app.shop import (
    Currency,
    Customer,
    Parcel,
    Receipt,
    bounce,
    charge,
    deliver,
    flaky,
    forget,
    greet,
    long_text,
    odd_result,
    print_out,
    refuse,
    remember,
    send,
    whoami,
)

ORDER = UUID("018f0000-0000-7000-8000-000000000001")

pytestmark = pytest.mark.usefixtures("shop")


def test_arguments_and_results_keep_their_types(run: Callable[..., int]) -> None:
    at = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    job = charge.enqueue(ORDER, Decimal("19.90"), Currency.YEN, at=at)

    assert 0 == run()

    assert Receipt(ORDER, Decimal("19.90"), Currency.YEN, at) == job.result(timeout=5)


def test_every_kind_of_parameter_arrives(run: Callable[..., int]) -> None:
    job = deliver.enqueue(Parcel("Ada", 250), "Ulm", "Bonn", express=True, note="ring twice")

    run()

    assert ("Ada", 250, ("Ulm", "Bonn", "note=ring twice"), True) == job.result(timeout=5)


def test_pydantic_models_travel(run: Callable[..., int]) -> None:
    job = greet.enqueue(Customer(name="ada", age=36))

    run()

    assert Customer(name="ADA", age=37) == job.result(timeout=5)


def test_a_task_is_still_a_function() -> None:
    assert Receipt(ORDER, Decimal(1), Currency.EUR, None) == charge(ORDER, Decimal(1))
    assert "sent to ada" in asyncio.run(_without_context())


async def _without_context() -> str:
    with pytest.raises(Exception, match="No job is running here"):
        await send("ada")
    return "sent to ada"


def test_a_failing_job_is_tried_again(run: Callable[..., int], depths: Callable[[str], Depths]) -> None:
    job = flaky.enqueue(1)

    run()
    _promote("payment")
    run()

    assert 2 == job.result(timeout=5)
    assert 1 == depths("payment").counters["retry"]


def test_an_attempt_knows_how_those_before_it_failed(run: Callable[..., int]) -> None:
    job = remember.enqueue()

    for _ in range(3):
        run()
        _promote("payment")

    assert [
        (1, "ConnectionError", "attempt 1", "test-payment"),
        (2, "ConnectionError", "attempt 2", "test-payment"),
    ] == job.result(timeout=5)


def test_after_its_last_attempt_a_job_is_dead_with_its_error(
    run: Callable[..., int], depths: Callable[[str], Depths]
) -> None:
    job = flaky.enqueue(9)

    for _ in range(3):
        run()
        _promote("payment")

    with pytest.raises(JobFailed) as caught:
        job.result(timeout=5)
    assert ("retries", "ConnectionError", "attempt 3") == (
        caught.value.reason,
        caught.value.error_type,
        caught.value.error_message,
    )
    assert "in flaky" in caught.value.traceback
    assert (1, 0) == (depths("payment").dead, depths("payment").load)


@pytest.mark.parametrize(("how", "reason"), [("final", "final"), ("reject", "rejected"), ("nonsense", "rejected")])
def test_some_ends_are_final(how: str, reason: str, run: Callable[..., int]) -> None:
    job = refuse.enqueue(how)

    run()

    with pytest.raises(JobFailed) as caught:
        job.result(timeout=5)
    assert reason == caught.value.reason


@pytest.mark.parametrize(("how", "verb"), [("snooze", "snooze"), ("retry", "retry"), ("exit", "retry")])
def test_some_ends_wait_for_their_time(
    how: str, verb: str, run: Callable[..., int], depths: Callable[[str], Depths]
) -> None:
    job = refuse.enqueue(how)

    run()

    assert (1, 0, {"enqueued": 1, verb: 1}) == (
        depths("payment").scheduled,
        depths("payment").load,
        depths("payment").counters,
    )
    assert "scheduled" == job.status().state


def test_a_result_that_cannot_be_encoded_is_told(run: Callable[..., int]) -> None:
    job = odd_result.enqueue()

    run()

    with pytest.raises(JobFailed, match="cannot be encoded"):
        job.result(timeout=5)


def test_a_result_that_is_too_large_is_told_with_its_size(run: Callable[..., int]) -> None:
    fits, large = long_text.enqueue(262_000), long_text.enqueue(300_000)

    run()

    assert 262_000 == len(fits.result(timeout=5))
    with pytest.raises(JobFailed, match=r"takes 300,005 bytes, more than max_result, 262,144") as caught:
        large.result(timeout=5)
    assert "result" == caught.value.reason


def test_a_task_without_results_says_so(run: Callable[..., int], depths: Callable[[str], Depths]) -> None:
    job = forget.enqueue()

    run()

    assert {"enqueued": 1, "ack": 1} == depths("payment").counters
    with pytest.raises(ResultNotKept):
        job.result(timeout=0)


def test_a_job_that_has_not_ended_is_told_within_the_time() -> None:
    job = charge.enqueue(ORDER, Decimal(1))

    with pytest.raises(ResultTimeout):
        job.result(timeout=0.01)
    assert "queued" == job.status().state


def test_coroutines_and_functions_share_a_loop(run: Callable[..., int]) -> None:
    mails = [send.enqueue(str(number), pause=0.01) for number in range(20)]
    printed = print_out.enqueue("leaflet")
    bounced = bounce.enqueue()

    assert 0 == run("mail", slots=8)

    assert [f"sent to {number} as send" for number in range(20)] == [mail.result(timeout=5) for mail in mails]
    assert "leaflet by print_out" == printed.result(timeout=5)
    with pytest.raises(JobFailed, match="no such mailbox"):
        bounced.result(timeout=5)


def test_async_callers_enqueue_and_wait_together(shop: Heijunka, run: Callable[..., int]) -> None:
    async def story() -> list[Receipt]:
        jobs = await asyncio.gather(*(charge.aenqueue(ORDER, Decimal(number)) for number in range(50)))
        await asyncio.to_thread(run)
        assert "done" == (await jobs[0].astatus()).state
        results = await asyncio.gather(*(job.aresult(timeout=5) for job in jobs))
        await shop.connections.aclient.close()
        return results

    assert [Decimal(number) for number in range(50)] == [receipt.amount for receipt in asyncio.run(story())]


def test_the_context_knows_the_job(run: Callable[..., int]) -> None:
    job = whoami.options(priority="low", attempts=7, deadline="1h").enqueue()

    run()

    told = job.result(timeout=5)
    assert {
        "id": job.id,
        "task": "whoami",
        "domain": "payment",
        "priority": "low",
        "attempt": 1,
        "attempts": 7,
        "wrapped": "outer,inner",
        "life": "opened",
    } == {key: told[key] for key in told if key not in {"deadline", "pid"}}
    deadline = datetime.fromisoformat(str(told["deadline"]))
    assert timedelta(minutes=59) < deadline - datetime.now(UTC) < timedelta(minutes=61)


def test_a_job_past_its_deadline_does_not_run(run: Callable[..., int]) -> None:
    job = whoami.options(deadline=datetime(2020, 1, 1, tzinfo=UTC)).enqueue()

    run()

    with pytest.raises(JobFailed) as caught:
        job.result(timeout=5)
    assert "expired" == caught.value.reason


def test_an_attempt_that_was_killed_for_its_length_counts_as_failed(
    shop: Heijunka, run: Callable[..., int], depths: Callable[[str], Depths]
) -> None:
    again = flaky.enqueue(1)
    last = flaky.options(attempts=1, timeout="90s").enqueue(0)
    _kill_overdue(shop, "payment")

    run()

    assert {"overdue": 2, "retry": 1, "dead": 1} == {
        name: depths("payment").counted(name) for name in ("overdue", "retry", "dead")
    }
    _promote("payment")
    run()
    assert 2 == again.result(timeout=5)
    with pytest.raises(JobFailed, match=r"attempt 1 ran longer than 90\.0 s") as caught:
        last.result(timeout=5)
    assert ("timeout", "heijunka.errors.AttemptTimeout") == (caught.value.reason, caught.value.error_type)


def _kill_overdue(shop: Heijunka, domain: str) -> None:
    """What a supervisor does when attempts outlive their limit."""
    keys, client = shop.keys(domain), shop.connections.client
    client.execute(commands.join(keys, "w1", ttl=Milliseconds(60_000)))
    pulled = client.execute(commands.pull(keys, "w1", 10, alone=True))
    assert isinstance(pulled, commands.Pulled)
    client.execute(
        commands.recover(
            keys,
            "w1",
            death="seen",
            failure=b"",
            max_deliveries=3,
            keep_ms=0,
            overdue=[(entry.source, entry.id.decode()) for entry in pulled.entries],
        )
    )


def test_threads_run_several_at_a_time(run: Callable[..., int]) -> None:
    jobs = whoami.enqueue_many([()] * 100)

    assert 0 == run(slots=4)

    assert {1} == {job.result(timeout=5)["attempt"] for job in jobs}


def _promote(domain: str) -> None:
    from tests.app.shop import app

    app.connections.client.execute(commands.promote(app.keys(domain), now=Milliseconds(app.server_ms() + 10_000)))
