"""How fast one worker process empties a queue of jobs that do nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure, Scale
from benchmarks.load import anoop, kept, noop
from benchmarks.site import Site
from heijunka.app import Enqueueable


def drain(site: Site, scale: Scale) -> Iterator[Figure]:
    """One worker process, 200,000 jobs queued."""
    yield from _drained(site, scale, "inline, results off", noop, target=50_000)
    yield from _drained(site, scale, "event loop, 50 slots, results off", anoop, slots=50, target=35_000)
    yield from _drained(site, scale, "inline, results kept", kept)


def depth(site: Site, scale: Scale) -> Iterator[Figure]:
    """The rate must not depend on how long the queue is, nor memory on how many jobs a worker has run."""
    short, long = scale.jobs(10_000), scale.jobs(1_000_000)
    rates: dict[int, list[float]] = {short: [], long: []}
    peaks: dict[int, float] = {}
    for _ in range(scale.rounds):
        for queued, found in rates.items():
            # The short queue is emptied several times over, or starting would be most of what is measured.
            times = min(10, long // queued) if queued == short else 1
            runs = [_run(site, noop, 1, queued) for _ in range(times)]
            found.append(queued * times / sum(run["seconds"] for run in runs))
            peaks[queued] = max(run["peak_mib"] for run in runs)
    ratio = statistics.median(rates[long]) / statistics.median(rates[short])
    yield Figure(
        f"rate with {long:,} queued to {short:,}",
        ratio,
        "",
        target=0.9,
        note=f"{statistics.median(rates[long]):,.0f} and {statistics.median(rates[short]):,.0f} jobs/s",
    )
    yield Figure(
        f"peak memory after {long:,} jobs to {short:,}",
        peaks[long] / peaks[short],
        "",
        target=1.1,
        at_most=True,
        note=f"{peaks[long]:.1f} and {peaks[short]:.1f} MiB",
    )


def _drained(
    site: Site, scale: Scale, name: str, task: Enqueueable[Any, Any], *, slots: int = 1, target: float | None = None
) -> Iterator[Figure]:
    jobs = scale.jobs(200_000)
    runs, server = [], []
    for _ in range(scale.rounds):
        before = site.cpu_s()
        runs.append(_run(site, task, slots, jobs))
        server.append(site.cpu_s() - before)
    rate = statistics.median(jobs / run["seconds"] for run in runs)
    yield Figure(f"drain {name}", rate, "jobs/s", target=target, note=f"{jobs:,} queued, one process")
    yield Figure(
        "  CPU of the worker for each",
        statistics.median(run["cpu_s"] for run in runs) / jobs * 1e6,
        "µs",
        note=f"the server, enqueueing included: {statistics.median(server) / jobs * 1e6:.1f} µs",
    )


def _run(site: Site, task: Enqueueable[Any, Any], slots: int, jobs: int) -> dict[str, float]:
    site.clear()
    task.enqueue_many([(number,) for number in range(jobs)])
    run = site.drained(task.task_options.domain, slots)
    left = site.depths(task.task_options.domain)
    if left.load or left.counted("ack", "done") != jobs:
        raise RuntimeError(f"{jobs} jobs were queued, and {left} is left")
    return run
