"""Admission of work that is not queued, as whoever does the work sees it.

A lease is a share of a domain's load. Who holds it gives it back; when its holder dies, it comes back by itself as soon
as its time is over. Its token is text, so that another thread or process may give it back.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from heijunka.app.admission import Admission, admission
from heijunka.clock import Duration, duration_ms
from heijunka.commands.grant import Granted
from heijunka.errors import InvalidOption
from heijunka.keys import PRIORITIES, Priority, valid_name

TTL: Final = 30
"""How long a lease lasts at most unless its caller says otherwise, in seconds."""

_TOKEN: Final = re.compile(r"([a-z0-9_.-]{1,64}):([hnl][0-9a-f]{16}):([0-9]{1,15})")


class Lease(Admission, frozen=True, kw_only=True):
    """The right to do some work now, and how full the domain was when it was granted.

    Attributes:
        state: "ok", or "soft" when the load is above the soft limit: slow down.
        pressure: load over soft limit; 0 in a domain without one.
        retry_after: when there should be less pressure, in seconds; None when all is well.
        token: what gives it back, also elsewhere.
        domain: whose load it is part of.
        priority: what it was admitted as.
        expires_ms: when it is over by itself, ms since the epoch by Redis's clock.

    Example:
        >>> with app.admit("payment") as lease:  # doctest: +SKIP
        ...     answer = render(thumbnails=lease.state == "ok")
    """

    token: str
    domain: str
    priority: Priority
    expires_ms: int


class Asked(msgspec.Struct, frozen=True):
    """What a caller wants to be admitted.

    Attributes:
        domain: whose load it will be part of.
        priority: what it is admitted as.
        ttl_ms: after how long the lease is over by itself.
        wait_ms: how long to wait for room at most.
    """

    domain: str
    priority: Priority = "normal"
    ttl_ms: int = TTL * 1_000
    wait_ms: int = 0


class Held(msgspec.Struct, frozen=True):
    """What a token says.

    Attributes:
        domain: of the lease.
        lease: its id.
        over_ms: when it is over by itself; 0 when nobody knows.
    """

    domain: str
    lease: str
    over_ms: int


@lru_cache(maxsize=256, typed=True)
def asked(domain: str, priority: Any, ttl: Duration, wait: Duration) -> Asked:
    """Check what a caller wants; the same object for the same words.

    Raises:
        InvalidName: no domain can have this name.
        InvalidOption: the priority is none, the ttl is 0, or a duration is none.
    """
    if priority not in PRIORITIES:
        raise InvalidOption(f"priority {priority!r} is none of {', '.join(PRIORITIES)}", option="priority")
    ttl_ms = duration_ms(ttl, option="ttl")
    if ttl_ms == 0:
        raise InvalidOption("ttl must be more than 0", option="ttl")
    return Asked(valid_name(domain, "domain"), priority, ttl_ms, duration_ms(wait, option="wait") if wait else 0)


def new_lease(priority: Priority) -> str:
    """An id that no other lease has."""
    return priority[0] + os.urandom(8).hex()


def leased(granted: Granted, asked: Asked, lease: str) -> Lease:
    """What the holder of a lease is told."""
    receipt = admission(granted.gauge)
    return Lease(
        state=receipt.state,
        pressure=receipt.pressure,
        retry_after=receipt.retry_after,
        token=f"{asked.domain}:{lease}:{granted.over_ms}",
        domain=asked.domain,
        priority=asked.priority,
        expires_ms=granted.over_ms,
    )


def held(token: Lease | str) -> Held:
    """What a token says.

    Raises:
        InvalidOption: it is none.
    """
    if isinstance(token, Lease):
        return Held(token.domain, token.token.split(":")[1], token.expires_ms)
    given: object = token  # what callers pass is theirs, whatever the annotation says
    found = _TOKEN.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise InvalidOption(
            f"{token!r} is no token of an admission", hint="give what request_admission returned", option="token"
        )
    return Held(found[1], found[2], int(found[3]))
