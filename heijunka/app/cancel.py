"""Cancel a job, wherever it is.

A job is looked for where it may be, in the order in which jobs move (see `locate`), and is cancelled in one step
where it was seen; one that moved meanwhile is looked for again. A job that keeps moving is marked instead, which
needs no place: whoever pulls it next ends it. So a job that was said to be cancelled never runs again.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, Literal

from heijunka import wire
from heijunka.app.locate import AT_ONCE, among_ends, earliest_entry
from heijunka.broker.aclient import AsyncClient
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.clock import wall_ms
from heijunka.commands.cancel import REMEMBER_MS, Said, Spot, cancel
from heijunka.commands.ends import Ended, ends
from heijunka.commands.inspect import Found, More, seek, seek_scheduled
from heijunka.errors import Unconfirmed
from heijunka.keys import DomainKeys

Cancellation = Literal["cancelled", "cancelling", "ended", "unknown"]
"""What became of a call of `cancel`:

- "cancelled": nobody ran the job, and nobody will.
- "cancelling": a worker holds it and is told. The job ends as cancelled, or as done if it is done before its task
  notices.
- "ended": it had ended before; how, `status()` tells.
- "unknown": there is no trace of it: it is done and its result is not kept, or it never was.
"""

LOOKS: Final = 3
"""After so many a job that moves each time is marked."""

Steps = Generator[Command[Any], Any, Cancellation]


def called_off(keys: DomainKeys, job_id: bytes, accepted_ms: int | None = None, *, keep_ms: int = 0) -> Steps:
    """Cancel a job: yields commands, is sent their replies, returns what became of it.

    Parameters:
        keys: of the job's domain.
        job_id: 16 bytes.
        accepted_ms: when it was accepted, by Redis's clock; what came earlier is not looked at.
            None looks at everything.
        keep_ms: how long who waits for its result is told; 0 for as long as it is remembered anyway.

    Raises:
        Unconfirmed: a later call of the same caller overtook this one.
    """
    start = earliest_entry(accepted_ms)
    if isinstance((yield ends(keys, job_id, limit=0)), Ended):
        return "ended"
    seen = missed = False
    for _ in range(LOOKS):
        spot = yield from _sought(keys, job_id, start)
        if spot is not None:
            said = yield from _said(keys, job_id, spot, keep_ms)
            if said != "moved":
                return said
            seen = True
        elif (yield from among_ends(keys, job_id, start)) is not None:
            return "ended"
        elif missed:
            return "ended" if seen else "unknown"
        else:
            missed = True
    yield from _said(keys, job_id, Spot("anywhere"), keep_ms)
    return "cancelling"


def cancelled(client: Client, keys: DomainKeys, job_id: bytes, **known: Any) -> Cancellation:
    """Cancel a job. See `called_off` for what may be known of it.

    Raises:
        BrokerError: Redis cannot be reached, or answered with an error.

    Example:
        >>> cancelled(client, keys, job_id)  # doctest: +SKIP
        'cancelling'
    """
    steps, reply = called_off(keys, job_id, **known), None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration as end:
            said: Cancellation = end.value
            return said
        reply = client.execute(command)


async def acancelled(client: AsyncClient, keys: DomainKeys, job_id: bytes, **known: Any) -> Cancellation:
    """Cancel a job, without blocking the event loop. See `cancelled`."""
    steps, reply = called_off(keys, job_id, **known), None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration as end:
            said: Cancellation = end.value
            return said
        reply = await client.execute(command)


def _said(
    keys: DomainKeys, job_id: bytes, spot: Spot, keep_ms: int
) -> Generator[Command[Any], Any, Literal["cancelled", "cancelling", "moved"]]:
    failure = wire.Failure(
        wire.FORMAT, "failed", "cancelled", message="it was cancelled before it ran", at_ms=wall_ms()
    )
    said: Said = yield cancel(keys, job_id, spot, keep_ms=keep_ms or REMEMBER_MS, record=wire.encode_end(failure))
    if said == "stale":
        raise Unconfirmed("a later call of this caller was done before", hint="cancel the job again")
    return said


def _sought(keys: DomainKeys, job_id: bytes, start: str) -> Generator[Command[Any], Any, Spot | None]:
    seen: Any = More(-AT_ONCE)
    while isinstance(seen, More):
        seen = yield seek_scheduled(keys, job_id, start=int(seen.at), limit=AT_ONCE)
    if isinstance(seen, Found):
        return Spot("scheduled", seen.member)
    for stream in (*keys.ready, *keys.returned, keys.suspects):
        seen = More(start)
        while isinstance(seen, More):
            seen = yield seek(stream, job_id, start=str(seen.at), limit=AT_ONCE)
        if isinstance(seen, Found):
            return Spot("stream", str(seen.at).encode(), stream)
    return None
