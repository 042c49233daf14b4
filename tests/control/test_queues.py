"""Queues are held back, let go on and emptied, and what is done to them adds up."""

from __future__ import annotations

from uuid import uuid4

import pytest

from heijunka import Heijunka, commands
from heijunka.commands import Depths
from heijunka.control.queues import Queue, QueuesOf, split_name
from heijunka.errors import InvalidName, JobCancelled
from heijunka.keys import PRIORITIES
from tests.fixtures.domain import Domain


@pytest.fixture
def queues(app: Heijunka) -> QueuesOf:
    return app.control.queues


@pytest.fixture
def payment(app: Heijunka) -> Domain:
    """The domain, and hands for its jobs."""
    return Domain(app.connections.client, app.keys("payment"))


def depths(app: Heijunka) -> Depths:
    return app.connections.client.execute(commands.depths(app.keys("payment")))


def test_a_queue_has_the_name_of_its_priority_and_its_domain_alone_means_all() -> None:
    assert ("payment", ("high",)) == split_name("high.payment")
    assert ("payment", PRIORITIES) == split_name("payment")
    assert ("eu.payment", ("low",)) == split_name("low.eu.payment")
    assert ("highway", PRIORITIES) == split_name("highway")


@pytest.mark.parametrize("name", ["", "high.", "High.payment", "high payment"])
def test_what_names_no_queue_is_refused(queues: QueuesOf, name: str) -> None:
    with pytest.raises(InvalidName):
        queues.pause(name)


def test_a_paused_queue_accepts_jobs_and_gives_none(queues: QueuesOf, payment: Domain) -> None:
    paused = queues.pause("normal.payment")
    payment.accept(3)
    payment.accept(2, priority="high")

    taken = payment.pull(10)

    assert [Queue("normal.payment", "payment", "normal", waiting=0, paused=True, running=0)] == paused
    assert ["h", "h"] == [entry.priority for entry in taken]
    assert [
        Queue("high.payment", "payment", "high", paused=False, waiting=0, running=2),
        Queue("normal.payment", "payment", "normal", paused=True, waiting=3, running=0),
        Queue("low.payment", "payment", "low", paused=False, waiting=0, running=0),
    ] == queues.show("payment")


def test_after_a_pause_jobs_come_in_the_order_they_were_accepted(queues: QueuesOf, payment: Domain) -> None:
    first = payment.accept(2)
    queues.pause("payment")
    second = payment.accept(2)
    assert [] == payment.pull(10)

    queues.resume("payment")

    assert [payment.blob(job) for job in (*first, *second)] == [entry.job for entry in payment.pull(10)]


def test_a_change_of_limits_ends_no_pause(app: Heijunka, queues: QueuesOf) -> None:
    queues.pause("low.payment")

    app.control.limits.set("payment", hard_limit=10)
    app.control.limits.reset("payment")

    assert ("low",) == depths(app).paused


def test_purged_jobs_are_cancelled_and_counted_and_what_runs_goes_on(
    app: Heijunka, queues: QueuesOf, payment: Domain
) -> None:
    waiter = app.tasks["refund"].enqueue("A1")
    running = payment.accept(2, priority="high")
    held = payment.pull(2, alone=True)
    payment.accept(450)
    payment.accept(3, priority="low")
    later = payment.accept(1, delay_ms=60_000)

    assert 451 == queues.purge("normal.payment")

    left = depths(app)
    assert ({"high": 0, "normal": 0, "low": 3}, 2, 1) == (left.ready, left.running, left.scheduled)
    assert left.counters["enqueued"] == left.counted("cancelled") + left.load + left.scheduled
    assert (451, 2, 1) == (left.counters["cancelled"], len(running), len(later))
    with pytest.raises(JobCancelled):
        waiter.result(timeout=5)
    payment.settle(*(commands.ack(entry) for entry in held))


def test_a_purge_of_a_domain_leaves_only_what_runs(app: Heijunka, queues: QueuesOf, payment: Domain) -> None:
    for priority in PRIORITIES:
        payment.accept(2, priority=priority)
    [died] = payment.pull(1, alone=True)
    recovered = commands.recover(
        payment.keys, "worker-1", death="seen", failure=b"died", max_deliveries=3, keep_ms=0,
        started=[(died.source, died.id.decode())],
    )  # fmt: skip
    assert 1 == payment.client.execute(recovered).charged

    assert 6 == queues.purge("payment")

    assert (0, 6) == (depths(app).load, depths(app).counters["cancelled"])


def test_what_nobody_has_is_purged_in_no_time(queues: QueuesOf) -> None:
    assert 0 == queues.purge(f"queue-{uuid4()}")
