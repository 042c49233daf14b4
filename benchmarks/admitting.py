"""What admission costs: of jobs, and of work that is not queued."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Scale, alternated
from benchmarks.load import app, bounded, noop
from benchmarks.site import Site, rate
from heijunka.app import Enqueueable

DOMAIN = "gate"


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


def limits(site: Site, scale: Scale) -> Iterator[Figure]:
    """Enqueueing into a domain that is bounded, in turn with one that is not: one call at a time, and in bulk."""
    site.clear()
    app.control.limits.set(bounded.task_options.domain, soft_limit=50_000_000, hard_limit=100_000_000)
    calls, jobs = scale.jobs(500), scale.jobs(50_000)
    many = [(number,) for number in range(jobs)]
    noop.enqueue(1), bounded.enqueue(1)
    on, off, ratio = alternated(
        lambda: rate(lambda: bounded.enqueue(1), calls), lambda: rate(lambda: noop.enqueue(1), calls), 20 * scale.rounds
    )
    yield Figure(
        "enqueue with limits, to without", ratio, "", target=0.95, note=f"{on:,.0f} and {off:,.0f} calls/s, in turn"
    )

    def bulk(task: Enqueueable[[int], None]) -> float:
        began = time.perf_counter()
        task.enqueue_many(many)
        return jobs / (time.perf_counter() - began)

    on, off, ratio = alternated(lambda: bulk(bounded), lambda: bulk(noop), 5 * scale.rounds)
    yield Figure(
        "enqueue_many with limits, to without", ratio, "", target=0.95, note=f"{on:,.0f} and {off:,.0f} jobs/s, in turn"
    )
