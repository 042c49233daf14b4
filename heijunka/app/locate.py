"""Find out where a job is, by looking where it may be.

A job may move while we look. It moves along scheduled → ready → returned → suspects → end, so the places
are looked at in this order, and a move along it cannot be missed. A move against it (a retry goes back to
scheduled) can, so a job that was not found is looked for once more. What is found was so when its
place was looked at; only an end stays true.

Scheduled jobs are counted from the latest: promotion takes the earliest, and would shift those we have
not seen yet to ranks that we think we have.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, Literal

import msgspec

from heijunka import wire
from heijunka.broker.aclient import AsyncClient
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.commands.ends import Ended, ends
from heijunka.commands.inspect import Found, More, seek, seek_scheduled
from heijunka.keys import DomainKeys

State = Literal["scheduled", "queued", "running", "done", "dead", "expired", "cancelled", "unknown"]

AT_ONCE: Final = 500
"""Jobs looked at in one call of a script."""

CLOCK_DOUBT_MS: Final = 5_000
"""A job may stand this much before its moment of acceptance: after a failover the clock is another's."""


class Place(msgspec.Struct, frozen=True):
    """Where a job is.

    Attributes:
        state: "scheduled" (waits for its time, or for its next attempt), "queued" (may run now),
            "running" (a worker holds it), or how it ended: "done", "dead", "expired" or "cancelled".
            "unknown" when there is no trace of it: it is done and its result is not kept, or not any
            more, or it never was.
        due_ms: when a scheduled job is due, ms since the epoch by Redis's clock.
        is_suspect: whether it waits to be run alone (or is), because its worker died while running it.
        result: what it returned, when done.
        failure: why it ended otherwise.
        letter: the entry id of its dead letter, when that is what told its end.
    """

    state: State
    due_ms: int | None = None
    is_suspect: bool = False
    result: wire.Result | None = None
    failure: wire.Failure | None = None
    letter: str | None = None


_ENDS: Final[dict[str, State]] = {"expired": "expired", "cancelled": "cancelled"}
"""Reasons that are ends of their own; for any other the job is dead."""

UNKNOWN: Final = Place("unknown")

Steps = Generator[Command[Any], Any, Place | None]


def locate(keys: DomainKeys, job_id: bytes, accepted_ms: int | None = None) -> Generator[Command[Any], Any, Place]:
    """Find out where a job is: yields commands, is sent their replies, returns the place.

    Parameters:
        keys: of the job's domain.
        job_id: 16 bytes.
        accepted_ms: when it was accepted, by Redis's clock; what came earlier is not looked at.
            None looks at everything.

    Raises:
        UndecodableJob: the record of its end cannot be read.
    """
    start = earliest_entry(accepted_ms)
    record = yield ends(keys, job_id, limit=0)  # no more than a GET, and most jobs asked about have ended
    if isinstance(record, Ended):
        return _ended(record)
    for _ in range(2):
        place = yield from _looked_for(keys, job_id, start)
        if place is not None:
            return place
    return UNKNOWN


def earliest_entry(accepted_ms: int | None) -> str:
    """The entry id from which on a job can be that was accepted at this moment (ms); None looks at everything."""
    return "-" if accepted_ms is None else f"{max(0, accepted_ms - CLOCK_DOUBT_MS)}-0"


def located(client: Client, keys: DomainKeys, job_id: bytes, accepted_ms: int | None = None) -> Place:
    """Find out where a job is. See `locate`.

    Raises:
        BrokerError: Redis cannot be reached, or answered with an error.

    Example:
        >>> located(client, keys, job_id).state  # doctest: +SKIP
        'running'
    """
    steps, reply = locate(keys, job_id, accepted_ms), None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration as end:
            place: Place = end.value
            return place
        reply = client.execute(command)


async def alocated(client: AsyncClient, keys: DomainKeys, job_id: bytes, accepted_ms: int | None = None) -> Place:
    """Find out where a job is, without blocking the event loop. See `located`."""
    steps, reply = locate(keys, job_id, accepted_ms), None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration as end:
            place: Place = end.value
            return place
        reply = await client.execute(command)


def _looked_for(keys: DomainKeys, job_id: bytes, start: str) -> Steps:
    for look in (_among_scheduled, _among_sources, among_ends):
        place = yield from look(keys, job_id, start)
        if place is not None:
            return place
    return None


def _among_scheduled(keys: DomainKeys, job_id: bytes, _: str) -> Steps:
    rank = -AT_ONCE
    while True:
        seen = yield seek_scheduled(keys, job_id, start=rank, limit=AT_ONCE)
        if isinstance(seen, Found):
            return Place("scheduled", due_ms=int(seen.at))
        if not isinstance(seen, More):
            return None
        rank = int(seen.at)


def _among_sources(keys: DomainKeys, job_id: bytes, start: str) -> Steps:
    for stream in (*keys.ready, *keys.returned, keys.suspects):
        at = start
        while True:
            seen = yield seek(stream, job_id, start=at, limit=AT_ONCE)
            if isinstance(seen, Found):
                return Place("running" if seen.held else "queued", is_suspect=stream == keys.suspects)
            if not isinstance(seen, More):
                break
            at = str(seen.at)
    return None


def among_ends(keys: DomainKeys, job_id: bytes, start: str) -> Steps:
    """The end of a job, by its record or its dead letter."""
    while True:
        seen = yield ends(keys, job_id, start=start, limit=AT_ONCE)
        if isinstance(seen, Ended):
            return _ended(seen)
        if not isinstance(seen, More):
            return None
        start = str(seen.at)


def _ended(end: Ended) -> Place:
    record = wire.decode_end(end.record)
    if isinstance(record, wire.Result):
        return Place("done", result=record)
    return Place(_ENDS.get(record.reason, "dead"), failure=record, letter=end.letter)
