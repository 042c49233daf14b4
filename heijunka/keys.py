"""Every Redis key, in one place.

All keys of a domain share one hash tag, `{<namespace>:<domain>}`, so that a script touches one Cluster
slot. Nothing else in the project spells a key.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import Final, Literal, get_args

from heijunka.errors import InvalidName

Priority = Literal["high", "normal", "low"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""Looked at in this order on every pull."""

_NAME = re.compile(r"[a-z0-9_.-]{1,64}")

SUSPECTS: Final = 1
"""Place of the suspects' stream among a domain's sources (1-based, as in Lua)."""

SOURCE_PRIORITY: Final[tuple[Priority | None, ...]] = (None, "high", "high", "normal", "normal", "low", "low")
"""What priority the jobs of each source have; suspects carry theirs in the entry."""


class DomainKeys:
    """The keys of one domain.

    Parameters:
        namespace: what separates applications on one Redis, `[a-z0-9_.-]{1,64}`.
        domain: what the work is about, of the same characters.

    Raises:
        InvalidName: one of the names has other characters.

    Example:
        >>> DomainKeys("shop", "payment").ready[0]
        '{shop:payment}:ready:high'
    """

    def __init__(self, namespace: str, domain: str) -> None:
        self.namespace = valid_name(namespace, "namespace")
        self.domain = valid_name(domain, "domain")
        self.tag = f"{{{namespace}:{domain}}}:"
        at = self.tag.__add__
        self.ready = tuple(at(f"ready:{priority}") for priority in PRIORITIES)
        self.returned = tuple(at(f"returned:{priority}") for priority in PRIORITIES)
        self.suspects = at("suspects")
        self.scheduled = at("scheduled")
        self.dead = at("dead")
        self.bell = at("bell")
        self.wake = at("wake")
        self.workers = at("workers")
        self.limits = at("limits")
        self.room = at("room")
        self.leases = at("leases")
        self.cancels = at("cancels")
        self.stats = at("stats")
        self.budget = at("budget")
        self.results = at("result:")
        self.sessions = at("session:")

    @cached_property
    def returning(self) -> tuple[str, ...]:
        """The sources that are not ready streams, as admission reads them."""
        return (self.suspects, *self.returned)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The streams jobs are pulled from, in pull order."""
        pairs = zip(self.returned, self.ready, strict=True)
        return (self.suspects, *(stream for pair in pairs for stream in pair))

    def result(self, job_id: str) -> str:
        """The key of one job's result; also the channel on which its end is announced."""
        return self.results + job_id

    def __repr__(self) -> str:
        return f"DomainKeys({self.namespace!r}, {self.domain!r})"


class NamespaceKeys:
    """The keys that an application has beside those of its domains; they share one hash tag, `{<namespace>}`.

    Parameters:
        namespace: what separates applications on one Redis, `[a-z0-9_.-]{1,64}`.

    Raises:
        InvalidName: it has other characters.

    Example:
        >>> NamespaceKeys("shop").leader
        '{shop}:leader'
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = valid_name(namespace, "namespace")
        self.tag = f"{{{namespace}}}:"
        at = self.tag.__add__
        self.leader = at("leader")
        self.election = at("election")
        self.supervisors = at("supervisors")
        self.reports = at("reports")
        self.targets = at("targets")
        self.orders = at("orders")
        self.attention = at("attention")
        self.decisions = at("decisions:")
        self.ended_surges = at("surges:")
        self.calls = at("call:")

    def explained(self, domain: str) -> str:
        """The key of the last decisions about one pool."""
        return self.decisions + domain

    def surges(self, domain: str) -> str:
        """The key of the surges of one pool that ended."""
        return self.ended_surges + domain

    def call(self, supervisor: str) -> str:
        """The key of the bell that one supervisor waits for."""
        return self.calls + supervisor


@lru_cache(maxsize=1_024)
def domain_keys(namespace: str, domain: str) -> DomainKeys:
    """The keys of a domain; the same object for the same names."""
    return DomainKeys(namespace, domain)


def valid_name(name: str, what: str) -> str:
    """`name`, if it may stand in a key.

    Parameters:
        name: a namespace or a domain.
        what: which of them; named in the error.

    Raises:
        InvalidName: it has characters other than `a-z 0-9 _ . -`, or not 1 to 64 of them.
    """
    if _NAME.fullmatch(name):
        return name
    raise InvalidName(
        f"{what} {name!r} is not a valid name",
        hint="use 1 to 64 of the characters a-z 0-9 _ . -",
        name=name,
    )
