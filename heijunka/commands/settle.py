"""End attempts. An outcome is data: a flat tuple that the script reads as its verb says."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from heijunka.broker.command import Argument, Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.commands.pull import Entry
from heijunka.keys import DomainKeys
from heijunka.wire import id_text

Outcome = tuple[Argument, ...]


class Settled(msgspec.Struct, frozen=True):
    """What became of a batch of outcomes.

    Attributes:
        fenced: 0-based places of the outcomes that were refused, because their jobs had been taken away.
        replayed: whether this answers a repeated call from the first one's reply.
        overtaken: whether a later call of the same caller was done before, so that this copy did nothing.
    """

    fenced: tuple[int, ...]
    replayed: bool
    overtaken: bool = False


def ack(entry: Entry) -> Outcome:
    """The job is done and nobody asked for its result."""
    return ("ack", entry.source, entry.id)


def done(entry: Entry, job_id: str, *, keep_ms: int, result: bytes) -> Outcome:
    """The job is done; keep its result for `keep_ms`."""
    return ("done", entry.source, entry.id, job_id, keep_ms, result)


def retry(entry: Entry, *, where: str, job: bytes) -> Outcome:
    """The attempt failed: put `job` (the blob of the next attempt) where it waits for its time.

    It may be put off further, if the domain has retried beyond its budget (see `heijunka.policies.budget`); one that is
    to run at a moment (`at_ms`) is not.
    """
    return ("retry", entry.source, entry.id, where, job)


def snooze(entry: Entry, *, where: str, job: bytes) -> Outcome:
    """The job asked to run later, uncharged."""
    return ("snooze", entry.source, entry.id, where, job)


def dead(entry: Entry, job_id: str, *, keep_ms: int, failure: bytes, reason: str, job: bytes) -> Outcome:
    """Dead-letter the job; who waits for its result is told the failure if `keep_ms` is not 0."""
    return ("dead", entry.source, entry.id, job_id, keep_ms, failure, job, reason)


def cancelled(entry: Entry, job_id: bytes, *, keep_ms: int, record: bytes) -> Outcome:
    """The job was cancelled and ends here; tell who waits for its result, and keep the record for `keep_ms`."""
    return ("cancelled", entry.source, entry.id, id_text(job_id), keep_ms, record, job_id)


def dropped(entry: Entry, job_id: str, *, keep_ms: int, failure: bytes) -> Outcome:
    """The job ends here without an attempt and without a dead letter; who waits is told if `keep_ms` is not 0."""
    return ("dropped", entry.source, entry.id, job_id, keep_ms, failure)


def release(entry: Entry) -> Outcome:
    """Give the job back unstarted and uncharged."""
    return ("release", entry.source, entry.id)


def settle(keys: DomainKeys, outcomes: Iterable[Outcome], *, now: Milliseconds = SERVER_CLOCK) -> Command[Settled]:
    """End a batch of attempts, at most 500."""
    args: list[Argument] = [now]
    acks, source = 0, None  # where the count of the present run of acks stands, and of which source it is
    for outcome in outcomes:
        if outcome[0] != "ack":
            args += outcome
            source = None
        elif outcome[1] == source:
            args.append(outcome[2])
            args[acks] += 1  # type: ignore[operator]  # a count
        else:
            source = outcome[1]
            args += ("acks", source, 1, outcome[2])
            acks = len(args) - 2
    return Command(
        "settle",
        keys=(
            *(keys.stats, keys.bell, keys.wake, keys.scheduled, keys.dead, keys.results, keys.cancels),
            *keys.sources,
            *(keys.budget, keys.limits, keys.room),
        ),
        args=args,
        read=_read,
        sessions=keys.sessions,
    )


def _read(reply: Reply) -> Settled:
    return Settled(tuple(place - 1 for place in reply[1:]), reply[0] == b"replayed", reply[0] == b"stale")
