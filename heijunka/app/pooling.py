"""What an application says of a domain's pool: how many workers, and when one of them stops pulling."""

from __future__ import annotations

from typing import TypedDict

import msgspec

from heijunka.config import Settings
from heijunka.errors import InvalidOption
from heijunka.policies import breaker as policy
from heijunka.policies.breaker import BreakerRules
from heijunka.policies.burst import BurstRules
from heijunka.policies.scaling import ScalingRules


class PoolKeywords(TypedDict, total=False):
    """What `app.domain` takes of a pool; the settings say what is left out.

    Keys:
        min_workers: the fewest workers, over all hosts.
        max_workers: the most workers, over all hosts.
        initial_workers: workers that each supervisor begins with.
        breaker: failures in a row that open a worker's breaker, "0.5 of 20" for a share, None for no breaker.
        breaker_recovery: "auto", or "manual" to keep it open until `heijunka breaker reset`.
        breaker_ignores: exceptions that are no failures.
    """

    min_workers: int
    max_workers: int
    initial_workers: int
    breaker: int | str | None
    breaker_recovery: str
    breaker_ignores: tuple[type[BaseException], ...] | type[BaseException]


class PoolTerms(msgspec.Struct, frozen=True):
    """What a pool is held to.

    Attributes:
        least, most: workers, over all hosts.
        initial: workers that each supervisor begins with.
    """

    least: int
    most: int
    initial: int


def pool_terms(given: PoolKeywords, settings: Settings) -> PoolTerms:
    """What a pool is held to, of what code says and settings.

    Raises:
        InvalidOption: the bounds contradict each other, or there are more workers to begin with.
    """
    least = given.get("min_workers", min(settings.min_workers, given.get("max_workers", settings.min_workers)))
    most = given.get("max_workers", max(settings.max_workers, least))
    for name, value in (("min_workers", least), ("max_workers", most)):
        if not _is_count(value, 10_000):
            raise InvalidOption(f"{name} {value!r} is no number of workers", hint="write 0 to 10,000", option=name)
    ScalingRules(least=least, most=most)  # refuses bounds that leave no size
    initial = given.get("initial_workers", max(min(settings.processes, most), min(least, settings.processes), 0))
    if not _is_count(initial, most):
        raise InvalidOption(
            f"initial_workers {initial!r} is no number up to max_workers {most}", option="initial_workers"
        )
    return PoolTerms(least, most, initial)


def breaker_rules(given: PoolKeywords, settings: Settings) -> BreakerRules | None:
    """When a worker's breaker opens, of what code says and settings; None for never.

    Raises:
        InvalidOption: it is no breaker.
    """
    asked = given.get("breaker", settings.breaker)
    if isinstance(asked, bool):
        raise InvalidOption(f"breaker {asked!r} is no number of failures", hint='write 3, "0.5 of 20" or None')
    rules = policy.read("none" if asked is None else str(asked))
    recovery = given.get("breaker_recovery", settings.breaker_recovery)
    if recovery not in {"auto", "manual"}:
        raise InvalidOption(f"breaker_recovery {recovery!r} is neither auto nor manual", option="breaker_recovery")
    return rules and msgspec.structs.replace(
        rules,
        open_s=settings.breaker_open_ms / 1_000,
        longest_s=max(settings.breaker_open_ms, settings.breaker_open_most_ms) / 1_000,
        manual=recovery == "manual",
    )


def scaling_rules(settings: Settings) -> ScalingRules:
    """What pools are held to, their bounds apart.

    Raises:
        InvalidOption: the settings contradict each other.
    """
    return ScalingRules(
        target=settings.target_utilisation,
        up_above=settings.scale_up_above,
        down_below=settings.scale_down_below,
        target_wait_s=settings.target_wait_ms / 1_000,
        drain_within_s=settings.drain_within_ms / 1_000,
        stabilisation_s=settings.stabilisation_ms / 1_000,
    )


def burst_rules(settings: Settings) -> BurstRules:
    """When pools get surges.

    Raises:
        InvalidOption: the settings make no sense.
    """
    return BurstRules(
        factor=settings.burst_factor,
        workers=settings.surge_workers,
        lasts_s=settings.surge_lasts_ms / 1_000,
        target=settings.target_utilisation,
        cost_per_worker_hour=settings.surge_cost_per_worker_hour,
        budget_per_day=settings.surge_budget,
    )


def ignored(given: PoolKeywords) -> tuple[type[BaseException], ...]:
    """Exceptions that are no failures.

    Raises:
        InvalidOption: something is no exception.
    """
    asked = given.get("breaker_ignores", ())
    kinds: tuple[object, ...] = asked if isinstance(asked, tuple) else (asked,)
    found = tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseException))
    if len(found) < len(kinds):
        raise InvalidOption(f"breaker_ignores {asked!r} names what is no exception", option="breaker_ignores")
    return found


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
