"""What bounds domains: read, changed live, declared.

The limits of a domain are one hash, changed by compare-and-set on its version, so two operators or two processes never
mix theirs. A declaration is applied when it differs from the one that was applied last; what was changed live since
stands until then, or until `reset`. The declaration that another one replaced stays replaced for ten minutes: during a
rolling deploy processes of both versions start, and the limits must not go back and forth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypedDict, Unpack

import msgspec

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.commands import Depths
from heijunka.commands.limit import limit
from heijunka.config.domains import limit_of
from heijunka.errors import InvalidOption
from heijunka.keys import DomainKeys
from heijunka.policies.admission import (
    DEFAULT,
    LIVE,
    UNSET,
    Given,
    InJobs,
    Limits,
    Span,
    Unset,
    completed,
    in_jobs,
    pressure,
    spelled,
)

log: Final = logging.getLogger("heijunka")

SUPERSEDED_MS: Final = 600_000
"""For how long a declaration that was replaced may not replace its successor."""

TRIES: Final = 50
NAMES: Final = ("soft", "hard", "reserved")

COUNTED: Final = ("admitted_", "soft_", "refused_", "granted_", "released_", "expired_")
"""What the counters of admission begin with."""


class LimitKeywords(TypedDict, total=False):
    """Limits of a domain, as they are given.

    Keys:
        soft_limit: the load from which on accepted jobs are told of pressure, in jobs or as the time it takes, such as
            "25s"; None for never.
        hard_limit: the load at which everything is refused, in jobs or as the time it takes; None for never.
        reserved: the share of the hard limit that is left to high priority, from 0 to below 1.
    """

    soft_limit: int | str | timedelta | None
    hard_limit: int | str | timedelta | None
    reserved: float


class Declaration(msgspec.Struct, frozen=True):
    """What an application declares of a domain.

    Attributes:
        given: the limits that are declared; the others have their defaults.
        origins: where those are declared, by "soft", "hard" and "reserved".
    """

    given: Given
    origins: Mapping[str, str]


class Bounds(msgspec.Struct, frozen=True):
    """What bounds a domain, and how full it is.

    Attributes:
        domain: its name.
        limits: soft and hard limit and reserved share.
        in_jobs: the same with every limit in jobs, at the present throughput.
        throughput: jobs that end in a second when the domain is busy; None while nobody knows, or needs to.
        origins: where each of "soft", "hard" and "reserved" comes from: "default", "live", or the place of its
            declaration.
        declared: the limits that were declared last, or None.
        draining: whether it takes no jobs.
        load: ready jobs, running ones and leases.
        pressure: load over soft limit, 0 without one.
        load_factor: load over hard limit, 0 without one.
        admission_rate: share of the jobs and leases that asked for room that got it; 1 when none asked.
        rejection_rate: share of them that was refused; 0 when none asked.
        counters: what admission counted, of jobs and of leases.
    """

    domain: str
    limits: Limits
    in_jobs: InJobs
    throughput: float | None
    origins: Mapping[str, str]
    declared: Limits | None
    draining: bool
    load: int
    pressure: float
    load_factor: float
    admission_rate: float
    rejection_rate: float
    counters: Mapping[str, int]


class LimitsOf:
    """The limits of an application's domains.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.
    """

    def __init__(self, client: Client, keys: Callable[[str], DomainKeys]) -> None:
        self._client, self._keys = client, keys

    def __call__(self, domain: str) -> Bounds:
        """What bounds a domain, and how full it is; see `show`."""
        return self.show(domain)

    def show(self, domain: str) -> Bounds:
        """What bounds a domain, and how full it is.

        Raises:
            InvalidName: no domain can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        return bounds_of(domain, self._read(domain))

    def set(self, domain: str, **given: Unpack[LimitKeywords]) -> Bounds:
        """Change limits of a domain, for the next call anywhere. What is not given stays, or moves with its default.

        Raises:
            InvalidOption: a limit is out of its range, soft is above hard, or there is no limit to reserve from. The
                limits are what they were.
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> app.control.limits.set("payment", hard_limit=1_500)  # doctest: +SKIP
        """
        asked = given_of(**given)

        def change(stored: Mapping[str, str]) -> dict[str, str]:
            origins = _origins(stored)
            present = _limits(stored)
            kept = {name: getattr(present, name) for name in NAMES if origins[name] != DEFAULT or not present.bounded}
            kept |= {name: getattr(asked, name) for name in NAMES if not isinstance(getattr(asked, name), Unset)}
            if not present.bounded and asked.hard is UNSET and asked.soft is UNSET:
                raise InvalidOption(
                    f"{domain} has no hard limit to reserve a share of",
                    hint="give it a hard limit, too",
                    option="reserved",
                )
            if not present.bounded and asked.soft is UNSET:
                kept.pop("soft")
            wanted = completed(Given(**kept))
            live: dict[str, str] = {name: LIVE for name in NAMES if not isinstance(getattr(asked, name), Unset)}
            return _stored(wanted, origins | live, draining="draining" in stored)

        return self._change(domain, change)

    def reset(self, domain: str) -> Bounds:
        """Go back to what is declared, or to no limits.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """

        def change(stored: Mapping[str, str]) -> dict[str, str]:
            draining = "draining" in stored
            if "declared" not in stored:
                return _stored(Limits(), dict.fromkeys(NAMES, ""), draining=draining)
            origins: dict[str, str] = dict(zip(NAMES, stored["declared_from"].split("|"), strict=True))
            return _stored(_spelled_limits(stored["declared"]), origins, draining=draining)

        return self._change(domain, change)

    def drain(self, domain: str, *, draining: bool = True) -> Bounds:
        """Let a domain take no jobs any more, or take them again. What is queued is finished.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """

        def change(stored: Mapping[str, str]) -> dict[str, str]:
            rule = spelled(_limits(stored), draining=draining)
            return {"draining": "1" if draining else "", "rule": rule}

        return self._change(domain, change)

    def declare(self, domain: str, declaration: Declaration, *, now_ms: int) -> bool:
        """Let a declaration take effect, if it is a new one.

        Parameters:
            domain: which is declared.
            declaration: what is declared of it.
            now_ms: now by Redis's clock.

        Returns:
            Whether it is the one in effect now, live changes apart.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        wanted, mine = completed(declaration.given), ""
        mine = _limits_spelled(wanted)
        origins = {name: declaration.origins.get(name, DEFAULT) for name in NAMES}

        def change(stored: Mapping[str, str]) -> dict[str, str]:
            before, out = stored.get("declared"), _superseded(stored, now_ms)
            if before == mine or mine in out:
                return {}
            if before is not None:
                out[before] = now_ms + SUPERSEDED_MS
            return {
                **_stored(wanted, origins, draining="draining" in stored),
                "declared": mine,
                "declared_from": "|".join(origins.values()),
                "superseded": " ".join(f"{each}@{until}" for each, until in out.items()),
            }

        self._change(domain, change)
        stored = self._read(domain).limits
        if stored.get("declared") == mine:
            return True
        log.warning(
            "%s: the limits declared here (%s) were replaced by others (%s) less than ten minutes ago, and wait",
            domain, mine, stored.get("declared"),
        )  # fmt: skip
        return False

    def _read(self, domain: str) -> Depths:
        return self._client.execute(commands.depths(self._keys(domain)))

    def _change(self, domain: str, change: Callable[[Mapping[str, str]], dict[str, str]]) -> Bounds:
        for _ in range(TRIES):
            stored = self._read(domain).limits
            fields = change(stored)
            if all(stored.get(name, "") == value for name, value in fields.items()):
                break
            if self._client.execute(limit(self._keys(domain), int(stored.get("version", 0)), fields)):
                break
        return self.show(domain)


def given_of(**given: Unpack[LimitKeywords]) -> Given:
    """Limits as keywords name them; they are checked when they are put together.

    Raises:
        InvalidOption: there is no such limit.
    """
    for name in given:
        if name not in LimitKeywords.__annotations__:
            from heijunka.config import did_you_mean

            hint = did_you_mean(name, LimitKeywords.__annotations__)
            raise InvalidOption(f"a domain has no {name!r}", hint=hint, option=name)
    soft, hard = (limit_of(given.get(name, UNSET)) for name in ("soft_limit", "hard_limit"))
    return Given(soft, hard, given.get("reserved", UNSET))  # type: ignore[arg-type]  # what is no limit is refused later


def bounds_of(domain: str, depths: Depths) -> Bounds:
    """What bounds a domain, and how full it is, of what it holds."""
    stored = depths.limits
    limits, load, measured = _limits(stored), depths.load, float(stored.get("throughput", -1))
    throughput = None if measured < 0 or not limits.timed else measured
    jobs = in_jobs(limits, throughput)
    counters = {name: count for name, count in depths.counters.items() if name.startswith(COUNTED)}
    rejected = _rejected(counters)
    return Bounds(
        domain,
        limits,
        jobs,
        throughput,
        _origins(stored),
        _spelled_limits(stored["declared"]) if "declared" in stored else None,
        "draining" in stored,
        load,
        pressure(load=load, soft=jobs.soft),
        load / jobs.hard if jobs.hard else 0.0,
        1.0 - rejected,
        rejected,
        counters,
    )


def _rejected(counters: Mapping[str, int]) -> float:
    """The share of what asked that was refused. Granted above the soft limit is granted, too, and counted twice."""
    taken = sum(count for name, count in counters.items() if name[:-1] in {"admitted_", "granted_"})
    refused = sum(count for name, count in counters.items() if name.startswith("refused_"))
    return refused / (taken + refused) if refused else 0.0


def _limits(stored: Mapping[str, str]) -> Limits:
    return _spelled_limits(stored["values"]) if "values" in stored else Limits()


def _origins(stored: Mapping[str, str]) -> dict[str, str]:
    return dict(zip(NAMES, stored.get("origins", "default|default|default").split("|"), strict=True))


def _stored(limits: Limits, origins: Mapping[str, str], *, draining: bool) -> dict[str, str]:
    bounded = limits.bounded
    return {
        "values": _limits_spelled(limits) if bounded else "",
        "origins": "|".join(origins[name] for name in NAMES) if bounded else "",
        "rule": spelled(limits, draining=draining),
    }


def _limits_spelled(limits: Limits) -> str:
    soft, hard = ("-" if limit is None else _text(limit) for limit in (limits.soft, limits.hard))
    return f"{soft},{hard},{limits.reserved}"


def _spelled_limits(text: str) -> Limits:
    soft, hard, reserved = text.split(",")
    return Limits(_limit(soft), _limit(hard), float(reserved))


def _text(limit: int | Span) -> str:
    return f"{limit.ms}ms" if isinstance(limit, Span) else str(limit)


def _limit(text: str) -> int | Span | None:
    if text == "-":
        return None
    return Span(int(text.removesuffix("ms"))) if text.endswith("ms") else int(text)


def _superseded(stored: Mapping[str, str], now_ms: int) -> dict[str, int]:
    pairs = (each.rpartition("@") for each in stored.get("superseded", "").split())
    return {declared: int(until) for declared, _, until in pairs if int(until) > now_ms}
