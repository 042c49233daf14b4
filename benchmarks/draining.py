"""How fast worker processes empty a queue of jobs that do nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.crew import emptied, kept_waiting, looked, queue, started, supervised, watched
from benchmarks.figures import Figure, Point, Scale, growth, pace, reached
from benchmarks.load import anoop, kept, noop
from benchmarks.site import Site
from heijunka.app import Enqueueable

TENTH = 0.1


def drain(site: Site, scale: Scale) -> Iterator[Figure]:
    """One worker process, 200,000 jobs queued."""
    yield from _drained(site, scale, "inline", noop, target=50_000)
    yield from _drained(site, scale, "event loop, 50 slots", anoop, slots=50, target=35_000)
    yield from _drained(site, scale, "event loop, 1 slot", anoop)
    yield from _drained(site, scale, "inline, results kept", kept)


def crews(site: Site, scale: Scale) -> Iterator[Figure]:
    """The same with a supervisor, as `heijunka worker` starts them."""
    jobs = scale.jobs(200_000)
    for processes in (1, 2):
        rates, pings = [], []
        for _ in range(scale.rounds):
            pings.append(site.ping_rate())
            rates.append(supervised(site, noop, jobs, processes))
        yield Figure(
            f"drain inline, supervised, {'one process' if processes == 1 else f'{processes} processes'}",
            statistics.median(rates),
            "jobs/s",
            pings=_ratio(rates, pings),
            note=f"{jobs:,} queued",
        )


def depth(site: Site, scale: Scale) -> Iterator[Figure]:
    """The rate must not depend on how long the queue is, nor memory on how many jobs a worker has run.

    One worker process finds queues of both lengths in turn; it is warm, and gets no job before all are queued.
    """
    site.clear()
    short, long = scale.jobs(10_000), scale.jobs(1_000_000)
    few, many, long_runs = [], [], []
    board, process = started(site, noop.task_options.domain, 1, burst=False)

    def run(jobs: int) -> list[Point]:
        before = board.ended
        with kept_waiting(process):
            queue(noop, jobs)
            begun = looked(board, process, before)
        return [begun, *watched(board, process, jobs, before)]

    try:
        run(short)
        for _ in range(scale.rounds):
            few.append(statistics.median(pace(run(short), TENTH, 1 - TENTH) for _ in range(5)))
            long_runs.append(run(long))
            many.append(pace(long_runs[-1], TENTH / 10, TENTH))
    finally:
        process.terminate()
        process.communicate()
        board.close()
    yield Figure(
        f"rate with {long:,} queued to {short:,}",
        _ratio(many, few),
        "",
        target=0.9,
        note=f"{statistics.median(many):,.0f} and {statistics.median(few):,.0f} jobs/s",
    )
    grown = growth(long_runs[0], TENTH)
    if grown:
        tenths = [reached(long_runs[0], long * tenth / 10).resident_mib for tenth in range(1, 11)]
        yield Figure(
            f"memory of a worker over {long:,} jobs",
            grown,
            "",
            target=1.1,
            at_most=True,
            note=f"MiB after each tenth: {' '.join(f'{mib:.1f}' for mib in tenths)}",
        )


def _drained(
    site: Site, scale: Scale, name: str, task: Enqueueable[Any, Any], *, slots: int = 1, target: float | None = None
) -> Iterator[Figure]:
    jobs = scale.jobs(200_000)
    pings, runs = [], []
    for _ in range(scale.rounds):
        pings.append(site.ping_rate())
        runs.append(emptied(site, task, jobs, slots))
    rates = [run.rate for run in runs]
    yield Figure(
        f"drain {name}",
        statistics.median(rates),
        "jobs/s",
        target=target,
        pings=_ratio(rates, pings),
        note=f"{jobs:,} queued, one process",
    )
    server_us = statistics.median(run.server_cpu_s for run in runs) / jobs * 1e6
    yield Figure(
        "  CPU of the worker for each",
        statistics.median(run.told.cpu_s for run in runs) / jobs * 1e6,
        "µs",
        note=f"and {server_us:.1f} µs of the server",
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
