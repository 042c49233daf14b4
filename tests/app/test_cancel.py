"""Cancelling jobs that nobody runs: they end at once, whoever asks, and never run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from heijunka import Heijunka, JobCancelled, commands, wire
from heijunka.app.cancel import called_off
from heijunka.app.job import Job
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.commands import Depths, Spot
from heijunka.commands.cancel import REMEMBER_MS
from heijunka.keys import DomainKeys
from tests.app.shop import Receipt, charge, flaky, forget
from tests.fixtures.domain import KEEP_MS, Domain
from tests.fixtures.waiting import wait_until


@pytest.fixture
def domain(client: Client, keys: DomainKeys) -> Domain:
    return Domain(client, keys)


def carried_out(client: Client, keys: DomainKeys, job_id: bytes, meanwhile: Callable[[Command[object]], None]) -> str:
    """Cancel a job step by step; `meanwhile` sees each command before it is sent."""
    steps, reply = called_off(keys, job_id, keep_ms=KEEP_MS), None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration as end:
            said: str = end.value
            return said
        meanwhile(command)
        reply = client.execute(command)


# -- from an application -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="queued"),
        pytest.param({"delay": "1h"}, id="delayed"),
        pytest.param({"at": datetime.now(UTC) + timedelta(hours=1), "priority": "low"}, id="for a moment"),
    ],
)
def test_a_job_that_waits_is_cancelled_once_and_never_runs(
    shop: Heijunka, run: Callable[..., int], depths: Callable[[str], Depths], options: dict[str, object]
) -> None:
    job: Job[Receipt] = charge.options(**options).enqueue(uuid4(), Decimal(1))  # type: ignore[arg-type]
    other = charge.enqueue(uuid4(), Decimal(2))

    said = [job.cancel(), job.cancel()]
    run()

    assert ["cancelled", "ended"] == said
    with pytest.raises(JobCancelled, match="cancelled before it ran") as ended:
        job.result(timeout=5)
    assert (job.id, "cancelled") == (ended.value.job_id, ended.value.reason)
    assert ("cancelled", Decimal(2)) == (job.status().state, other.result(timeout=5).amount)
    left = depths("payment")
    assert (0, 0, 0, 1, 1) == (left.load, left.scheduled, left.dead, left.counters["cancelled"], left.counted("done"))


def test_who_waits_for_the_result_is_told_at_once(shop: Heijunka, client: Client) -> None:
    async def story() -> None:
        job = await charge.aenqueue(uuid4(), Decimal(1))
        waiting = asyncio.create_task(job.aresult())
        channel = shop.keys("payment").result(job.id)
        await asyncio.to_thread(wait_until, lambda: client.plain("PUBSUB", "NUMSUB", channel)[1])

        assert "cancelled" == await job.acancel()

        with pytest.raises(JobCancelled):
            await waiting
        assert "cancelled" == (await job.astatus()).state
        assert "ended" == await job.acancel()
        await shop.aclose()

    asyncio.run(story())


def test_a_job_whose_task_keeps_no_results_is_remembered_as_cancelled(shop: Heijunka, client: Client) -> None:
    job = forget.enqueue()

    assert "cancelled" == job.cancel()

    assert "cancelled" == job.status().state
    assert 0 < client.plain("PTTL", shop.keys("payment").result(job.id)) <= REMEMBER_MS


def test_by_its_id_a_job_of_any_domain_is_cancelled(shop: Heijunka) -> None:
    queued, delayed = flaky.enqueue(0), charge.options(delay="1h").enqueue(uuid4(), Decimal(1))

    assert ["cancelled", "cancelled"] == [shop.job(queued.id).cancel(), flaky.job(delayed.id).cancel()]
    assert ["cancelled", "ended"] == [shop.job(queued.id).status().state, shop.job(queued.id).cancel()]


def test_without_a_trace_of_the_job_it_is_unknown(shop: Heijunka) -> None:
    async def story() -> tuple[str, str]:
        job = shop.job(str(uuid4()))
        said = await job.acancel(), (await job.astatus()).state
        await shop.aclose()
        return said

    nobody = str(uuid4())
    assert ("unknown", "unknown", "unknown") == (
        shop.job(nobody).cancel(),
        charge.job(nobody).cancel(),
        shop.job(nobody).status().state,
    )
    assert ("unknown", "unknown") == asyncio.run(story())


def test_what_is_no_id_is_refused(shop: Heijunka) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        shop.job("A1")


# -- while jobs move -----------------------------------------------------------------------------


def test_a_dead_letter_has_ended(client: Client, keys: DomainKeys, domain: Domain) -> None:
    [job_id] = domain.accept()
    domain.bury(*domain.pull(), keep_ms=0)

    assert "ended" == carried_out(client, keys, job_id, lambda _: None)


def test_a_job_that_is_pulled_between_two_looks_is_marked(client: Client, keys: DomainKeys, domain: Domain) -> None:
    [job_id] = domain.accept()

    def pulled(command: Command[object]) -> None:
        if command.script == "cancel" and not held:
            held.extend(domain.pull())

    held: list[commands.Entry] = []
    assert "cancelling" == carried_out(client, keys, job_id, pulled)
    assert [job_id] == list(client.execute(commands.marks(keys)).at_ms)


def test_a_job_that_is_promoted_between_two_looks_is_found_again(
    client: Client, keys: DomainKeys, domain: Domain
) -> None:
    [job_id] = domain.accept(delay_ms=1)

    def promoted(command: Command[object]) -> None:
        if command.script == "cancel":
            while not client.execute(commands.promote(keys)).jobs and not client.plain("XLEN", keys.ready[1]):
                pass

    assert "cancelled" == carried_out(client, keys, job_id, promoted)
    assert 0 == client.execute(commands.depths(keys)).load


def test_a_job_that_moves_at_every_look_is_marked_where_it_is_and_ends_at_its_next_pull(
    client: Client, keys: DomainKeys, domain: Domain
) -> None:
    [job_id] = domain.accept()

    def moving(command: Command[object]) -> None:
        if command.script == "cancel" and "anywhere" not in command.args:
            [entry] = domain.pull()
            domain.settle(commands.snooze(entry, where="n", job=entry.job))

    assert "cancelling" == carried_out(client, keys, job_id, moving)
    assert [True] == [entry.marked for entry in domain.pull()]


def test_a_job_that_was_seen_and_left_no_trace_has_ended(client: Client, keys: DomainKeys, domain: Domain) -> None:
    [job_id] = domain.accept()

    def finishing(command: Command[object]) -> None:
        if command.script == "cancel":
            domain.settle(*map(commands.ack, domain.pull()))

    assert "ended" == carried_out(client, keys, job_id, finishing)


def test_a_dead_letter_of_a_cancelled_job_that_is_revived_runs(
    shop: Heijunka, client: Client, run: Callable[..., int]
) -> None:
    job, keys = charge.enqueue(uuid4(), Decimal(1)), shop.keys("payment")
    domain, job_id = Domain(client, keys), wire.id_bytes(job.id)
    [entry] = domain.pull()
    client.execute(commands.cancel(keys, job_id, Spot("anywhere"), keep_ms=1, record=b""))
    domain.bury(entry, reason="poison")  # its worker died, and nobody ended it

    shop.control.dead.retry("payment")
    run()

    assert Decimal(1) == job.result(timeout=5).amount
