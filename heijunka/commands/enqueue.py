"""Accept jobs, as far as there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import DomainKeys, Priority

Reason = Literal["hard", "reserve", "draining"]
"""Why a job is refused: the load is at the hard limit; that of normal and low is at their share of it, and what is left
is for high; or the domain is being drained."""


class Gauge(msgspec.Struct, frozen=True):
    """How full a bounded domain was when a call was judged.

    Attributes:
        load: with the jobs that the call brought.
        soft: the load at which accepted jobs are told of pressure; None without such a limit.
        hard: the load at which everything is refused; None without such a limit.
        share: the load of normal and low at which these are refused; None without a hard limit.
        pace: jobs that end in a second, None while nobody knows.
    """

    load: int
    soft: int | None = None
    hard: int | None = None
    share: int | None = None
    pace: float | None = None


class Accepted(msgspec.Struct, frozen=True):
    """The jobs are in Redis, but for those that were refused.

    Attributes:
        at_ms: when, by Redis's clock; no entry of the call has an earlier id.
        gauge: how full the domain is; None when nothing bounds it.
        refused: 0-based places of the jobs that were refused, and why; only of calls that are accepted in part.
    """

    at_ms: int
    gauge: Gauge | None = None
    refused: tuple[tuple[int, Reason], ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """There is no room, and nothing of the call was accepted.

    Attributes:
        reason: why the first job was refused that was.
        gauge: how full the domain is.
    """

    reason: Reason
    gauge: Gauge


class Overtaken(msgspec.Struct, frozen=True):
    """A later call of the same caller was done before: this copy did nothing."""


TAKEN: Final = 5
"""Words of the reply to a call whose jobs were all taken."""

NONE: Final = "-"
"""How a rule spells a limit that is not there."""


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
    keys: DomainKeys,
    jobs: Sequence[str | bytes],
    *,
    partial: bool = False,
    waits_ms: int = 0,
    now: Milliseconds = SERVER_CLOCK,
) -> Command[Accepted | Refused | Overtaken]:
    """Accept jobs if there is room for them.

    Parameters:
        keys: of their domain.
        jobs: a flat sequence of place and blob, `[where("high"), blob, …]`, at most 1,000 of them.
        partial: accept those that there is room for, instead of all or none.
        waits_ms: how long the caller will wait for room on `keys.room` if it is refused.
        now: ms, 0 for the server's clock.
    """
    return Command(
        "enqueue",
        keys=(
            keys.stats,
            keys.limits,
            keys.room,
            keys.bell,
            keys.wake,
            keys.scheduled,
            keys.leases,
            *keys.returning,
            *keys.ready,
        ),
        args=(now, 1 if partial else 0, waits_ms, *jobs),
        read=_read,
        sessions=keys.sessions,
    )


def gauge_of(load: int, rule: str, pace: float = -1.0) -> Gauge:
    """A gauge from what Redis says: the rule is hard limit, share and soft limit, with commas between."""
    hard, share, soft = _numbers(rule)
    return Gauge(load, soft, hard, share, None if pace < 0 else pace)


@lru_cache(maxsize=256)
def _numbers(rule: str) -> tuple[int | None, int | None, int | None]:
    hard, share, soft = (None if limit == NONE else int(limit) for limit in rule.split(",")[:3])
    return hard, share, soft


def _read(reply: Reply) -> Accepted | Refused | Overtaken:
    match reply[0]:
        case b"accepted":
            return Accepted(reply[1])
        case b"admitted":
            if len(reply) == TAKEN:
                return Accepted(int(reply[1]), _gauge(reply))
            refused = tuple((int(place) - 1, why.decode()) for place, why in zip(reply[5::2], reply[6::2], strict=True))
            return Accepted(int(reply[1]), _gauge(reply), refused)
        case b"refused":
            return Refused(reply[1].decode(), _gauge(reply))
        case _:
            return Overtaken()


def _gauge(reply: Reply) -> Gauge:
    pace = reply[4]
    return gauge_of(int(reply[2]), reply[3].decode(), -1.0 if pace == b"-1" else float(pace))
