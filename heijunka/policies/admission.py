"""How much work a domain takes: its limits, completed and checked, and what follows from them.

The load is ready jobs, running ones and the admission leases held; scheduled jobs do not count until they are due.
At the hard limit everything is refused. Normal and low jobs together may hold at most a share of it, so that the
rest is always there for high. From the soft limit on, jobs are accepted and told of pressure.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import msgspec

from heijunka.errors import InvalidOption

Origin = str
"""Where a limit comes from: "default", "live", or where it was declared."""

SOFT: Final = 1_000
HARD: Final = 1_200
RESERVED: Final = 0.2
"""What a declared domain starts with."""

MOST: Final = 1_000_000_000
DEFAULT: Final = "default"
LIVE: Final = "live"

FIRST_GUESS_S: Final = 1.0
SHORTEST_S: Final = 0.05
LONGEST_S: Final = 60.0


class Unset(msgspec.Struct, frozen=True):
    """Marks a limit that nobody gave; None is a value: without that limit."""


UNSET: Final = Unset()


class Span(msgspec.Struct, frozen=True):
    """A limit that is given as time: as many jobs as end within it, at the throughput that is measured.

    Attributes:
        ms: how long.

    Example:
        >>> str(Span(30_000)), str(Span(2_500))
        ('30s', '2.5s')
    """

    ms: int

    def __str__(self) -> str:
        return f"{self.ms / 1_000:g}s"


SHORTEST_SPAN_MS: Final = 100
LONGEST_SPAN_MS: Final = 7 * 86_400_000


class Given(msgspec.Struct, frozen=True):
    """Limits as somebody asks for them; what is UNSET is left to the rest.

    Attributes:
        soft: the load, or the time it takes, from which on accepted jobs are told of pressure; None for never.
        hard: the load, or the time it takes, at which everything is refused; None for never.
        reserved: the share of the hard limit that is left to high, from 0 to below 1.
    """

    soft: int | Span | Unset | None = UNSET
    hard: int | Span | Unset | None = UNSET
    reserved: float | Unset = UNSET


class Limits(msgspec.Struct, frozen=True):
    """What bounds a domain. `Limits()` bounds nothing.

    Attributes:
        soft: the load from which on accepted jobs are told of pressure, or None.
        hard: the load at which everything is refused, or None.
        reserved: the share of the hard limit that is left to high.
    """

    soft: int | Span | None = None
    hard: int | Span | None = None
    reserved: float = RESERVED

    @property
    def timed(self) -> bool:
        """Whether a limit is given as time."""
        return isinstance(self.soft, Span) or isinstance(self.hard, Span)

    @property
    def bounded(self) -> bool:
        """Whether there is a limit at all."""
        return self.soft is not None or self.hard is not None

    @property
    def share(self) -> int | None:
        """The load of normal and low at which these are refused, or None; also when the hard limit is time.

        `hard * (1 - reserved)`, rounded down, but at least 1: a reserve must not keep them out for ever.

        Example:
            >>> Limits(soft=1_000, hard=1_200, reserved=0.2).share
            960
        """
        if self.hard is None or isinstance(self.hard, Span):
            return None
        return max(1, math.floor(self.hard * (1 - Fraction(str(self.reserved)))))


class InJobs(msgspec.Struct, frozen=True):
    """Limits in jobs.

    Attributes:
        soft: the load from which on accepted jobs are told of pressure, or None.
        hard: the load at which everything is refused, or None.
        share: the load of normal and low at which these are refused, or None.
    """

    soft: int | None = None
    hard: int | None = None
    share: int | None = None


def completed(given: Given) -> Limits:
    """Limits of which some were given; the others have their defaults, moved as far as they must be to fit.

    Returns:
        Hard is 1,200, but at least 1.2 times a soft limit that was given; soft is 1,000, but at most 5/6 of the hard
        limit; reserved is 0.2. Soft is None when hard is and nobody gave it. Beside a limit that is time the other one
        is 1.2 times as long, or 5/6 of it.

    Raises:
        InvalidOption: a limit is out of its range, or soft is above hard.

    Example:
        >>> completed(Given(hard=600)), completed(Given(soft=5_000)).hard
        (Limits(soft=500, hard=600, reserved=0.2), 6000)
    """
    soft = UNSET if isinstance(given.soft, Unset) else _limit(given.soft, "soft_limit")
    hard = UNSET if isinstance(given.hard, Unset) else _limit(given.hard, "hard_limit")
    reserved = RESERVED if isinstance(given.reserved, Unset) else _reserved(given.reserved)
    if isinstance(hard, Unset):
        hard = _beside(soft)
    if isinstance(soft, Unset):
        soft = _below(hard)
    if soft is not None and hard is not None and type(soft) is type(hard) and _size(soft) > _size(hard):
        raise InvalidOption(
            f"soft_limit {_shown(soft)} is above hard_limit {_shown(hard)}",
            hint=f"soft_limit may be up to {_shown(hard)} here; or raise hard_limit",
            option="soft_limit",
        )
    return Limits(soft, hard, reserved)


def in_jobs(limits: Limits, throughput: float | None = None) -> InJobs:
    """Limits in jobs, as the scripts work them out (`lua/include/timed.lua`).

    Parameters:
        limits: of which some may be given as time.
        throughput: jobs that end in a second when the domain is busy; None while nobody knows.

    Returns:
        A time is worth `throughput * seconds` jobs, rounded down and at least 1. While nobody knows the throughput it
        is worth what a declared domain starts with, 1,200 or 1,000. Soft is at most hard.

    Example:
        >>> in_jobs(Limits(Span(25_000), Span(30_000)), throughput=40.0)
        InJobs(soft=1000, hard=1200, share=960)
    """
    hard, soft = _worth(limits.hard, throughput, HARD), _worth(limits.soft, throughput, SOFT)
    if limits.timed and hard is not None and soft is not None:
        soft = min(soft, hard)
    return InJobs(soft, hard, Limits(hard=hard, reserved=limits.reserved).share)


def retry_after_s(*, load: int, limit: int | None, pace: float | None, jobs: int = 1) -> float:
    """When it makes sense to come back.

    Parameters:
        load: the domain's, now.
        limit: the load below which there is room; None when it is not the load that keeps jobs out.
        pace: jobs that end in a second, None while nobody knows.
        jobs: how many want in.

    Returns:
        Seconds: `(load + jobs - limit) / pace`, the jobs that have to end before these fit, over how many end in a
        second; from 0.05 to 60. 1 while the pace is not known, 60 when it is 0.

    Example:
        >>> retry_after_s(load=1_200, limit=1_200, pace=50.0), retry_after_s(load=1_200, limit=960, pace=None)
        (0.05, 1.0)
        >>> retry_after_s(load=1_200, limit=960, pace=50.0)
        4.82
    """
    if pace is None or limit is None:
        return FIRST_GUESS_S
    if pace <= 0:
        return LONGEST_S
    return min(LONGEST_S, max(SHORTEST_S, (load + jobs - limit) / pace))


def pressure(*, load: int, soft: int | None) -> float:
    """Load over soft limit; 0 without one.

    Example:
        >>> pressure(load=1_100, soft=1_000)
        1.1
    """
    return load / soft if soft else 0.0


def spelled(limits: Limits, *, draining: bool = False) -> str:
    """The rule that scripts read: hard limit, share and soft limit, `-` for none, and whether the domain drains.

    When a limit is time they are behind an @, with what is not reserved instead of the share.

    Returns:
        "" when nothing bounds the domain.

    Example:
        >>> spelled(Limits(soft=1_000, hard=1_200)), spelled(Limits(soft=1_000, hard=Span(30_000)))
        ('1200,960,1000', '@30000ms,0.8,1000')
    """
    if not (limits.bounded or draining):
        return ""
    if limits.timed:
        hard, soft = (
            "-" if limit is None else f"{limit.ms}ms" if isinstance(limit, Span) else str(limit)
            for limit in (limits.hard, limits.soft)
        )
        free = float(1 - Fraction(str(limits.reserved)))
        return f"@{hard},{free!r},{soft}" + (",draining" if draining else "")
    numbers = ("-" if number is None else str(number) for number in (limits.hard, limits.share, limits.soft))
    return ",".join(numbers) + (",draining" if draining else "")


def _limit(value: object, option: str) -> int | Span | None:
    if value is None:
        return None
    if isinstance(value, Span):
        if SHORTEST_SPAN_MS <= value.ms <= LONGEST_SPAN_MS:
            return value
        raise InvalidOption(f"{option} {value} is no time", hint="write a time from 100ms to 7d", option=option)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise InvalidOption(
            f"{option} {value!r} is not a number of jobs, and no time",
            hint=f'write a whole number from 1 to {MOST:,}, a time such as "30s", or none',
            option=option,
        )
    return value


def _beside(soft: int | Span | Unset | None) -> int | Span:
    """The hard limit that nobody gave."""
    if isinstance(soft, Span):
        return Span(min(LONGEST_SPAN_MS, math.ceil(soft.ms * 1.2)))
    return HARD if soft is None or isinstance(soft, Unset) else min(MOST, max(HARD, math.ceil(soft * 1.2)))


def _below(hard: int | Span | None) -> int | Span | None:
    """The soft limit that nobody gave."""
    if isinstance(hard, Span):
        return Span(max(SHORTEST_SPAN_MS, hard.ms * 5 // 6))
    return None if hard is None else max(1, min(SOFT, hard * 5 // 6))


def _worth(limit: int | Span | None, throughput: float | None, unknown: int) -> int | None:
    if not isinstance(limit, Span):
        return limit
    if throughput is None:
        return unknown
    return max(1, min(MOST, math.floor(throughput * limit.ms / 1_000 + 1e-6)))


def _size(limit: int | Span) -> int:
    return limit.ms if isinstance(limit, Span) else limit


def _shown(limit: int | Span) -> str:
    return str(limit) if isinstance(limit, Span) else f"{limit:,}"


def _reserved(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InvalidOption(
            f"reserved {value!r} is not a share of the hard limit",
            hint="write a number from 0 to below 1, such as 0.2",
            option="reserved",
        )
    return float(value)
