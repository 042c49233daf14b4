"""Accept jobs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import DomainKeys, Priority


class Accepted(msgspec.Struct, frozen=True):
    """The jobs are in Redis.

    Attributes:
        at_ms: when, by Redis's clock; no entry of the call has an earlier id.
    """

    at_ms: int


class Overtaken(msgspec.Struct, frozen=True):
    """A later call of the same caller was done before: this copy did nothing."""


def where(priority: Priority, *, delay_ms: int = 0, at_ms: int | None = None) -> str:
    """Where a job goes: its priority, and when if that is later.

    Parameters:
        priority: "high", "normal" or "low".
        delay_ms: how much later, by Redis's clock.
        at_ms: the moment, ms since the epoch; overrides the delay.

    Example:
        >>> where("high"), where("low", delay_ms=500), where("normal", at_ms=1893456000000)
        ('h', 'l+500', 'n@1893456000000')
    """
    if at_ms is not None:
        return f"{priority[0]}@{at_ms}"
    return f"{priority[0]}+{delay_ms}" if delay_ms else priority[0]


def enqueue(
    keys: DomainKeys, jobs: Sequence[str | bytes], *, now: Milliseconds = SERVER_CLOCK
) -> Command[Accepted | Overtaken]:
    """Accept `jobs`, a flat sequence of place and blob: `[where("high"), blob, …]`, at most 1,000 of them."""
    return Command(
        "enqueue",
        keys=(keys.stats, keys.bell, keys.wake, keys.scheduled, *keys.ready),
        args=(now, *jobs),
        read=_read,
        sessions=keys.sessions,
    )


def _read(reply: Reply) -> Accepted | Overtaken:
    return Accepted(reply[1]) if reply[0] == b"accepted" else Overtaken()
