"""Outcomes of attempts, as a worker reports them."""

from __future__ import annotations

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Entry, Settled
from heijunka.commands.settle import Outcome
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor
from tests.fixtures.samples import id_of, text_of
from tests.fixtures.seed import GROUP
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Snapshot

NOW = Milliseconds(1_700_000_000_000)
SETTLED = Settled(fenced=(), replayed=False)
ALONE = Snapshot(workers={"w1": 2_000_000_000_000}, sessions=(b"1 ",))
"""What is left when a worker has settled its only job, but for the job."""
RETRIED = (49_900, NOW, 0)
"""What is left of the budget of a domain at rest after one retry."""


def done(entry: Entry, keep_ms: int = 60_000) -> Outcome:
    """The attempt returned something."""
    return commands.done(entry, text_of(entry.job), keep_ms=keep_ms, result=b"the result")


def dead(entry: Entry, keep_ms: int = 60_000) -> Outcome:
    """The attempt was the last one."""
    return commands.dead(
        entry, text_of(entry.job), keep_ms=keep_ms, failure=b"the failure", reason="retries", job=entry.job
    )


def dropped(entry: Entry, keep_ms: int = 60_000) -> Outcome:
    """The job's deadline had passed, and nobody wants a dead letter of that."""
    return commands.dropped(entry, text_of(entry.job), keep_ms=keep_ms, failure=b"the failure")


def outcome(verb: str, entry: Entry, where: str, following: bytes) -> Outcome:
    """Any outcome, by its verb."""
    match verb:
        case "done" | "dropped" | "dead":
            return {"done": done, "dropped": dropped, "dead": dead}[verb](entry)
        case "retry":
            return commands.retry(entry, where=where, job=following)
        case "snooze":
            return commands.snooze(entry, where=where, job=following)
        case "release":
            return commands.release(entry)
        case "cancelled":
            return commands.cancelled(entry, id_of(entry.job), keep_ms=60_000, record=b"cancelled")
        case _:
            return commands.ack(entry)


def settle(client: Executor, keys: DomainKeys, *outcomes: Outcome) -> Settled:
    """Report outcomes."""
    return client.execute(commands.settle(keys, outcomes, now=NOW))


def take_away(redis: Driver, keys: DomainKeys, entry: Entry) -> None:
    """What recover does to an entry, but for its return."""
    stream = keys.sources[entry.source - 1]
    redis.xack(stream, GROUP, entry.id)
    redis.xdel(stream, entry.id)
