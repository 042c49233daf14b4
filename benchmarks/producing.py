"""What enqueueing costs, in time and in Redis's memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from benchmarks.figures import Figure, Scale, alternated
from benchmarks.load import app, noop
from benchmarks.site import Site, awake


def single(site: Site, scale: Scale) -> Iterator[Figure]:
    """One call at a time, in turn with redis-py's PING."""
    site.clear()
    calls = scale.jobs(5_000)
    with awake():
        rate, ping, ratio = alternated(
            lambda: _rate(lambda: noop.enqueue(1), calls),
            lambda: _rate(site.driver.ping, calls),
            max(5, scale.rounds),
        )
    yield Figure("enqueue to redis-py's PING", ratio, "", target=0.8, note=f"{rate:,.0f} and {ping:,.0f} calls/s")
    yield Figure("aenqueue, 100 callers", _concurrently(scale), "jobs/s")


def bulk(site: Site, scale: Scale) -> Iterator[Figure]:
    """`enqueue_many`."""
    jobs = scale.jobs(200_000)
    calls = [(number,) for number in range(jobs)]

    def rate() -> float:
        site.clear()
        began = time.perf_counter()
        noop.enqueue_many(calls)
        return jobs / (time.perf_counter() - began)

    many, ping, _ = alternated(rate, lambda: _rate(site.driver.ping, scale.jobs(5_000)), scale.rounds)
    yield Figure("enqueue_many", many, "jobs/s", target=150_000, note=f"{many / ping:.1f} times redis-py's PING")


def memory(site: Site, scale: Scale) -> Iterator[Figure]:
    """Redis's memory for each queued job."""
    site.clear()
    noop.enqueue(1)
    jobs = scale.jobs(100_000)
    before = _used(site)
    noop.enqueue_many([(number,) for number in range(jobs)])
    each = (_used(site) - before) / jobs
    arguments = sum(len(noop.signature.encode((number,), {})) for number in range(0, jobs, 100)) / (jobs / 100)
    yield Figure(
        "memory of a queued job beyond its arguments",
        each - arguments,
        "bytes",
        target=60,
        at_most=True,
        note=f"{each:.0f} in all, {arguments:.1f} of arguments",
    )


def _rate(call: Callable[[], object], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return calls / (time.perf_counter() - began)


def _concurrently(scale: Scale) -> float:
    each = max(2, scale.jobs(20_000) // 100)

    async def caller() -> None:
        for _ in range(each):
            await noop.aenqueue(1)

    async def story() -> float:
        await noop.aenqueue(1)
        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(100)))
        took = time.perf_counter() - began
        await app.connections.aclient.close()
        return 100 * each / took

    return asyncio.run(story())


def _used(site: Site) -> int:
    return int(site.driver.info("memory")["used_memory"])
