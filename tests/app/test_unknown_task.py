"""A task that a worker does not know: its jobs wait for one that does, and are dead letters in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from heijunka import Heijunka, commands, wire
from heijunka.commands import Depths, Entry
from heijunka.commands.settle import Outcome
from heijunka.worker.attempt import Pipeline
from tests.app.conftest import Run

NOW = 1_700_000_000_000
HOUR = 3_600_000
Enqueue = Callable[..., str]


@pytest.fixture
def enqueue(shop: Heijunka) -> Enqueue:
    """Enqueues a job of a task that the shop has not, or not yet; its id."""

    def enqueue(task: str = "refund", *, deadline_ms: int | None = None) -> str:
        job = wire.Job(wire.FORMAT, wire.new_id(), task, wire.raw(b"\x80"), 1, deadline_ms)
        shop.connections.client.execute(commands.enqueue(shop.keys("payment"), ["n", wire.encode_job(job)]))
        return wire.id_text(job.id)

    return enqueue


def parked(outcome: Outcome) -> tuple[int, wire.Job]:
    """For how long a job was put aside, and the job."""
    verb, _, _, where, blob = outcome
    assert ("snooze", "n+") == (verb, str(where)[:2])
    assert isinstance(blob, bytes)
    return int(str(where)[2:]), wire.decode_job(blob)


def test_its_job_waits_for_another_worker(
    shop: Heijunka, enqueue: Enqueue, run: Run, depths: Callable[[str], Depths]
) -> None:
    enqueue()

    run()

    left = depths("payment")
    assert (1, 0, 1) == (left.scheduled, left.dead, left.counted("snooze"))


def test_without_patience_it_is_a_dead_letter_at_once_with_its_payload(
    shop: Heijunka, enqueue: Enqueue, run: Run, depths: Callable[[str], Depths]
) -> None:
    job_id = enqueue()

    run("payment", HEIJUNKA_PARK_TTL="0s")

    [letter] = shop.control.dead.letters("payment")
    assert (job_id, "refund", "unknown task") == (letter.id, letter.task, letter.reason)
    assert "no task is called 'refund' here" == letter.message
    assert 0 == depths("payment").load


def test_a_deadline_ends_its_waiting(shop: Heijunka, enqueue: Enqueue, run: Run) -> None:
    enqueue(deadline_ms=NOW)

    run()

    assert ["expired"] == [letter.reason for letter in shop.control.dead.letters("payment")]


class Deploy:
    """A worker of the old version, at any moment."""

    def __init__(self) -> None:
        self.now = NOW
        self.pipeline = Pipeline({}, worker="w1", server_ms=lambda: self.now, keep_failure_ms=0, park_ttl_ms=24 * HOUR)

    def pulls(self, job: wire.Job) -> Outcome:
        """What becomes of a job it pulls."""
        outcome = self.pipeline.admitted(Entry(5, b"1-0", wire.encode_job(job), "n"))
        assert isinstance(outcome, tuple)
        return outcome


def test_it_waits_ever_longer_up_to_a_minute_until_its_time_is_over() -> None:
    deploy = Deploy()
    job = wire.Job(wire.FORMAT, wire.new_id(), "refund", wire.raw(b"\x80"), 3)
    pauses, outcome = [], deploy.pulls(job)
    while outcome[0] == "snooze":
        pause, job = parked(outcome)
        pauses.append(pause)
        deploy.now += pause
        outcome = deploy.pulls(job)

    assert all(500 <= pause <= 1_000 for pause in pauses[:2])
    assert all(30_000 <= pause <= 60_000 for pause in pauses[20:])
    assert 24 * HOUR <= sum(pauses) <= 24 * HOUR + 60_000
    assert ("dead", "unknown task", 3) == (outcome[0], outcome[-1], job.attempt)


def test_a_job_that_was_due_long_after_it_was_made_waits_as_long_as_any() -> None:
    deploy = Deploy()
    old = wire.Job(wire.FORMAT, (NOW - 90 * 24 * HOUR).to_bytes(6) + bytes(10), "refund", wire.raw(b"\x80"))

    _, job = parked(deploy.pulls(old))

    assert NOW == job.parked_ms


def test_it_is_talked_about_once(caplog: pytest.LogCaptureFixture) -> None:
    deploy = Deploy()
    with caplog.at_level(logging.WARNING):
        for task in ("refund", "refund", "remind", "refund"):
            deploy.pulls(wire.Job(wire.FORMAT, wire.new_id(), task, wire.raw(b"\x80")))

    waits = "its jobs wait up to 24.0 h for a worker that knows it"
    assert [f"no task is called {task!r} here: {waits}" for task in ("refund", "remind")] == caplog.messages
