"""What admission costs: limits that are never met, and leases for work that is not queued."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Scale, alternated
from benchmarks.load import app, noop
from benchmarks.site import Site, rate

DOMAIN = "gate"
INLINE = "inline"
"""The domain of `noop`."""

FAR = 1_000_000_000
"""A limit that nothing meets."""


def limits(site: Site, scale: Scale) -> Iterator[Figure]:
    """Enqueueing into a bounded domain, in turn with an unbounded one: the same one, its limits set and taken away."""
    single, many = scale.jobs(500), [(number,) for number in range(scale.jobs(20_000))]

    def one_by_one(*, bounded: bool) -> float:
        _begin(site, bounded=bounded)
        return rate(lambda: noop.enqueue(1), single)

    def together(*, bounded: bool) -> float:
        _begin(site, bounded=bounded)
        began = time.perf_counter()
        noop.enqueue_many(many)
        return len(many) / (time.perf_counter() - began)

    for name, measure, rounds in (("enqueue", one_by_one, 40), ("enqueue_many", together, 10)):
        order = itertools.cycle((True, False, False, True))  # whoever is second finds the caches warm
        pairs = []
        for _ in range(rounds * scale.rounds):
            turns = next(order), next(order)
            pairs.append({bounded: measure(bounded=bounded) for bounded in turns})
        on, off = (statistics.median(pair[bounded] for pair in pairs) for bounded in (True, False))
        ratio = statistics.median(pair[True] / pair[False] for pair in pairs)
        note = f"{on:,.0f} and {off:,.0f} jobs/s, in turn"
        yield Figure(f"{name} with limits on, to off", ratio, "", target=0.95, note=note)


def _begin(site: Site, *, bounded: bool) -> None:
    site.clear()
    noop.enqueue(1)
    if bounded:
        app.control.limits.set(INLINE, hard_limit=FAR, soft_limit=FAR, reserved=0.2)
        noop.enqueue(1)


def leases(site: Site, scale: Scale) -> Iterator[Figure]:
    """One block at a time in a bounded domain, in turn with two PINGs of redis-py."""
    site.clear()
    app.control.limits.set(DOMAIN, hard_limit=1_200)
    calls = scale.jobs(500)

    def block() -> None:
        with app.admit(DOMAIN):
            pass

    def pings() -> None:
        site.driver.ping()
        site.driver.ping()

    block()
    ours, theirs, ratio = alternated(lambda: rate(block, calls), lambda: rate(pings, calls), 20 * scale.rounds)
    yield Figure(
        "admit and release, to two PINGs of redis-py",
        ratio,
        "",
        target=0.8,
        note=f"{ours:,.0f} blocks and {theirs:,.0f} pairs/s, in turn",
    )
