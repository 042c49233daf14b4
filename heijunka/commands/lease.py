"""Register workers, keep their leases, sign them off."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import DomainKeys


class Joined(msgspec.Struct, frozen=True):
    """The worker is registered until `expires_ms`, ms since the epoch by Redis's clock."""

    expires_ms: int


class Renewed(msgspec.Struct, frozen=True):
    """Leases last until `expires_ms`; those in `lost` had been taken away and stay so."""

    expires_ms: int
    lost: tuple[str, ...]


class Leaving(msgspec.Struct, frozen=True):
    """Whether the worker is signed off; it is not while it holds jobs."""

    left: bool


def join(keys: DomainKeys, worker: str, *, ttl: Milliseconds, now: Milliseconds = SERVER_CLOCK) -> Command[Joined]:
    """Register `worker` for `ttl` ms, and make sure its streams have their group."""
    return Command(
        "join", keys=(keys.workers, *keys.sources), args=(worker, ttl, now), read=lambda reply: Joined(reply[1])
    )


def renew(
    keys: DomainKeys, workers: Sequence[str], *, ttl: Milliseconds, now: Milliseconds = SERVER_CLOCK
) -> Command[Renewed]:
    """Keep the leases of `workers` for `ttl` ms more."""
    return Command("renew", keys=(keys.workers,), args=(ttl, now, *workers), read=_renewed)


def leave(keys: DomainKeys, worker: str) -> Command[Leaving]:
    """Sign `worker` off if it holds nothing."""
    return Command(
        "leave",
        keys=(keys.workers, *keys.sources),
        args=(worker,),
        read=lambda reply: Leaving(reply[0] == b"left"),
    )


def lapsed(keys: DomainKeys, *, limit: int = 100, now: Milliseconds = SERVER_CLOCK) -> Command[tuple[str, ...]]:
    """The ids of up to `limit` workers whose lease is over."""
    return Command(
        "lapsed",
        keys=(keys.workers,),
        args=(now, limit),
        read=lambda reply: tuple(worker.decode() for worker in reply[1:]),
    )


def _renewed(reply: Reply) -> Renewed:
    return Renewed(reply[1], tuple(worker.decode() for worker in reply[2:]))
