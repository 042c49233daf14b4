"""Admit work that is not queued: grant a lease, take it back, and read how full a domain is."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.commands.enqueue import Gauge, Overtaken, Refused, gauge_of
from heijunka.keys import DomainKeys

Ended = Literal["released", "expired", "unknown"]
"""What becomes of a lease that is given back: it was held until now; its time was over; or nobody held it, because it
had been given back before or was never granted."""

_ENDED: Final[dict[bytes, Ended]] = {word.encode(): word for word in get_args(Ended)}


class Granted(msgspec.Struct, frozen=True):
    """The lease is held.

    Attributes:
        over_ms: when it is over by itself, ms since the epoch by Redis's clock.
        gauge: how full the domain is with it; None when nothing bounds it.
    """

    over_ms: int
    gauge: Gauge | None = None


def grant(
    keys: DomainKeys, lease: str, *, ttl_ms: int, waits_ms: int = 0, now: Milliseconds = SERVER_CLOCK
) -> Command[Granted | Refused | Overtaken]:
    """Grant a lease if there is room for it.

    Parameters:
        keys: of the domain.
        lease: its id, which nobody else may have; it begins with the letter of its priority.
        ttl_ms: after how long it is over by itself.
        waits_ms: how long the caller will wait for room on `keys.room` if it is refused.
        now: ms, 0 for the server's clock.
    """
    return Command(
        "grant",
        keys=(keys.stats, keys.limits, keys.room, keys.leases, *keys.returning, *keys.ready),
        args=(now, lease, ttl_ms, waits_ms),
        read=_granted,
        sessions=keys.sessions,
    )


def give_back(
    keys: DomainKeys, lease: str, *, over_ms: int, now: Milliseconds = SERVER_CLOCK
) -> Command[Ended | Overtaken]:
    """End a lease.

    Parameters:
        keys: of the domain.
        lease: its id.
        over_ms: when it would be over by itself; 0 when nobody knows.
        now: ms, 0 for the server's clock.
    """
    return Command(
        "give_back",
        keys=(keys.stats, keys.limits, keys.room, keys.leases),
        args=(now, lease, over_ms),
        read=_ended,
        sessions=keys.sessions,
    )


def weigh(keys: DomainKeys, *, now: Milliseconds = SERVER_CLOCK) -> Command[Gauge | None]:
    """How full a domain is; reads as None when nothing bounds it."""
    return Command("weigh", keys=(keys.limits, keys.leases, *keys.returning, *keys.ready), args=(now,), read=_weighed)


def _granted(reply: Reply) -> Granted | Refused | Overtaken:
    match reply[0]:
        case b"granted":
            return Granted(int(reply[1]))
        case b"admitted":
            return Granted(int(reply[1]), _gauge(reply))
        case b"refused":
            return Refused(reply[1].decode(), _gauge(reply))
        case _:
            return Overtaken()


def _ended(reply: Reply) -> Ended | Overtaken:
    return _ENDED.get(reply[0]) or Overtaken()


def _weighed(reply: Reply) -> Gauge | None:
    return gauge_of(int(reply[1]), reply[2].decode()) if reply[0] == b"bounded" else None


def _gauge(reply: Reply) -> Gauge:
    return gauge_of(int(reply[2]), reply[3].decode(), float(reply[4]))
