"""What enqueueing costs, in time and in Redis's memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Scale, alternated
from benchmarks.load import app, noop
from benchmarks.site import Site, rate

CALLERS = 100


def single(site: Site, scale: Scale) -> Iterator[Figure]:
    """One call at a time, in turn with redis-py's PING."""
    site.clear()
    noop.enqueue(1)
    calls = scale.jobs(500)
    ours, pings, ratio = alternated(
        lambda: rate(lambda: noop.enqueue(1), calls), lambda: site.ping_rate(calls), 20 * scale.rounds
    )
    yield Figure(
        "enqueue, to redis-py's PING", ratio, "", target=0.8, note=f"{ours:,.0f} and {pings:,.0f} calls/s, in turn"
    )
    many, _, ratio = alternated(lambda: _concurrently(scale), site.ping_rate, scale.rounds)
    yield Figure("aenqueue, 100 callers", many, "jobs/s", pings=ratio)


def bulk(site: Site, scale: Scale) -> Iterator[Figure]:
    """`enqueue_many`."""
    jobs = scale.jobs(200_000)
    calls = [(number,) for number in range(jobs)]

    def enqueued() -> float:
        site.clear()
        began = time.perf_counter()
        noop.enqueue_many(calls)
        return jobs / (time.perf_counter() - began)

    many, _, ratio = alternated(enqueued, site.ping_rate, scale.rounds)
    yield Figure("enqueue_many", many, "jobs/s", target=150_000, pings=ratio, note=f"{jobs:,} in one call")


def memory(site: Site, scale: Scale) -> Iterator[Figure]:
    """Redis's memory for each queued job."""
    site.clear()
    noop.enqueue(1)
    jobs = scale.jobs(100_000)
    before = site.used_memory()
    noop.enqueue_many([(number,) for number in range(jobs)])
    each = (site.used_memory() - before) / jobs
    arguments = sum(len(noop.signature.encode((number,), {})) for number in range(jobs)) / jobs
    yield Figure(
        "memory of a queued job beyond its arguments",
        each - arguments,
        "bytes",
        target=60,
        at_most=True,
        note=f"{each:.1f} in all, {arguments:.1f} of arguments",
    )


def _concurrently(scale: Scale) -> float:
    each = max(2, scale.jobs(20_000) // CALLERS)

    async def caller() -> None:
        for _ in range(each):
            await noop.aenqueue(1)

    async def story() -> float:
        await noop.aenqueue(1)
        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        took = time.perf_counter() - began
        await app.connections.aclient.close()
        return CALLERS * each / took

    return asyncio.run(story())
