"""What who enqueues is told of a domain's limits: a receipt, an error, or nothing until there is room."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from heijunka import Heijunka, commands
from heijunka.app.admission import Admission
from heijunka.commands import Depths
from heijunka.errors import Draining, InvalidOption, JobNotFound, Overloaded
from heijunka.keys import DomainKeys
from heijunka.policies.admission import Limits, spelled
from tests.app.shop import send, whoami
from tests.fixtures.server import Driver
from tests.fixtures.waiting import wait_until


def limit(redis: Driver, keys: DomainKeys, hard: int, *, soft: int | None = None, reserved: float = 0.0) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(soft, hard, reserved)))


@pytest.fixture
def payment(shop: Heijunka) -> DomainKeys:
    return shop.keys("payment")


@pytest.fixture
def finish(shop: Heijunka, payment: DomainKeys) -> Callable[[int], None]:
    """Ends some jobs, as a worker does."""
    client = shop.connections.client

    def finish(jobs: int, keys: DomainKeys = payment) -> None:
        client.execute(commands.join(keys, "w1", ttl=60_000))  # type: ignore[arg-type]
        pulled = client.execute(commands.pull(keys, "w1", jobs, alone=True))
        assert isinstance(pulled, commands.Pulled)
        assert jobs == len(pulled.entries)
        client.execute(commands.settle(keys, [commands.ack(entry) for entry in pulled.entries]))

    return finish


def test_a_domain_that_nothing_bounds_takes_everything(shop: Heijunka) -> None:
    assert Admission("ok", 0.0, None) == whoami.enqueue().admission
    assert {"ok"} == {job.admission.state for job in whoami.enqueue_many([()] * 2_000)}


def test_jobs_above_the_soft_limit_are_accepted_and_told(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 4, soft=2)

    receipts = [whoami.enqueue().admission for _ in range(4)]

    assert ["ok", "ok", "soft", "soft"] == [receipt.state for receipt in receipts]
    assert [0.5, 1.0, 1.5, 2.0] == [receipt.pressure for receipt in receipts]
    assert [None, None, 1.0, 1.0] == [receipt.retry_after for receipt in receipts]


def test_without_room_a_call_is_refused_with_all_one_needs_to_know(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Callable[[str], Depths]
) -> None:
    limit(redis, payment, 10, soft=10, reserved=0.5)
    for _ in range(5):
        whoami.enqueue()

    with pytest.raises(Overloaded, match="payment has no room for a normal job") as caught:
        whoami.enqueue()

    facts = {"domain": "payment", "priority": "normal", "load": 5, "limit": 5, "retry_after": 1.0, "accepted": 0}
    assert facts == caught.value.facts
    assert 5 == depths("payment").load
    whoami.options(priority="high").enqueue()


def test_many_calls_are_accepted_together_or_not_at_all(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Callable[[str], Depths]
) -> None:
    limit(redis, payment, 5)

    with pytest.raises(Overloaded, match="no room for 6 jobs"):
        whoami.enqueue_many([()] * 6)

    assert 0 == depths("payment").load


def test_in_part_the_jobs_say_which_of_them_were_refused(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Callable[[str], Depths]
) -> None:
    limit(redis, payment, 1_001)

    jobs = whoami.enqueue_many([()] * 2_100, partial=True)

    assert ["ok"] * 1_001 + ["refused"] * 1_099 == [job.admission.state for job in jobs]
    assert 1_001 == depths("payment").load
    with pytest.raises(JobNotFound, match="was not accepted"):
        jobs[-1].result(timeout=5)


def test_an_error_says_how_many_thousands_were_accepted_before_it(
    shop: Heijunka, redis: Driver, payment: DomainKeys
) -> None:
    limit(redis, payment, 1_500)

    with pytest.raises(Overloaded) as caught:
        whoami.enqueue_many([()] * 2_000)

    assert 1_000 == caught.value.accepted


def test_drop_returns_a_job_that_was_refused(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Callable[[str], Depths]
) -> None:
    limit(redis, payment, 1)
    call = whoami.options(on_overload="drop")

    assert ["ok", "refused"] == [call.enqueue().admission.state for _ in range(2)]
    assert 1 == depths("payment").load


def test_a_call_that_waits_is_let_in_when_jobs_end(
    shop: Heijunka,
    redis: Driver,
    payment: DomainKeys,
    finish: Callable[[int], None],
    depths: Callable[[str], Depths],
) -> None:
    """Three wait for two places that become free by one ring: who gets in wakes the next."""
    limit(redis, payment, 2)
    whoami.enqueue_many([()] * 2)
    call = whoami.options(on_overload="wait", wait=60)
    states: list[str] = []
    threads = [threading.Thread(target=lambda: states.append(call.enqueue().admission.state)) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: redis.hexists(payment.limits, "waiting"))

    finish(2)
    wait_until(lambda: len(states) == 2)
    assert 2 == depths("payment").load
    finish(2)
    for thread in threads:
        thread.join()

    assert ["ok"] * 3 == states


def test_waiting_ends(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 1)
    whoami.enqueue()

    with pytest.raises(Overloaded):
        whoami.options(on_overload="wait", wait="20ms").enqueue()


def test_what_an_application_does_without_room_is_a_setting(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 1)
    shop.override({"on_overload": "drop"}, "test")
    try:
        assert ["ok", "refused"] == [whoami.enqueue().admission.state for _ in range(2)]
    finally:
        shop.override({"on_overload": "raise"}, "test")


def test_a_domain_that_is_drained_says_so(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    redis.hset(payment.limits, "rule", spelled(Limits(), draining=True))

    with pytest.raises(Draining, match="payment is being drained"):
        whoami.options(on_overload="wait", wait=60).enqueue()


def test_one_coroutines_refusal_is_not_the_others(
    shop: Heijunka, redis: Driver, depths: Callable[[str], Depths]
) -> None:
    """They share a round trip, and each has its own answer."""
    limit(redis, shop.keys("mail"), 10)

    async def story() -> list[object]:
        async with shop:
            lone = [send.aenqueue(str(number)) for number in range(12)]
            together = send.aenqueue_many([("a",)] * 11)
            return await asyncio.gather(*lone, together, return_exceptions=True)

    answers = asyncio.run(story())

    assert 3 == sum(isinstance(answer, Overloaded) for answer in answers)
    assert isinstance(answers[-1], Overloaded)
    assert 10 == depths("mail").load


def test_coroutines_wait_for_room_over_one_connection(
    shop: Heijunka, redis: Driver, finish: Callable[..., None], depths: Callable[[str], Depths]
) -> None:
    mail = shop.keys("mail")
    limit(redis, mail, 5)

    async def story() -> int:
        async with shop:
            call = send.options(on_overload="wait", wait=60)
            waiting = [asyncio.create_task(call.aenqueue(str(number))) for number in range(15)]
            for _ in range(2):
                await asyncio.to_thread(wait_until, lambda: depths("mail").load == 5)
                await asyncio.to_thread(wait_until, lambda: redis.hexists(mail.limits, "waiting"))
                await asyncio.to_thread(finish, 5, mail)
            return len(await asyncio.gather(*waiting))

    assert 15 == asyncio.run(story())
    assert 5 == depths("mail").load


@pytest.mark.parametrize("options", [{"on_overload": "shout"}, {"wait": -1}, {"wait": "soon"}])
def test_bad_options_are_refused_where_they_are_written(options: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        whoami.options(**options)  # type: ignore[arg-type]
