"""How soon a job starts when a worker is idle."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.crew import started
from benchmarks.figures import Figure, Scale, percentile
from benchmarks.load import stamp
from benchmarks.site import Site, awake

BETWEEN_S = 0.005
"""Pause before each job: the worker has settled the one before and waits again."""


def idle(site: Site, scale: Scale) -> Iterator[Figure]:
    """From the call of `enqueue` to the first line of the task, one job at a time, one idle worker."""
    site.clear()
    board, process = started(site, "latency", 1, burst=False)
    waits, trips = [], []
    try:
        with awake():
            stamp.enqueue(time.monotonic_ns()).result(timeout=20)
            for _ in range(scale.jobs(1_000)):
                time.sleep(BETWEEN_S)
                waits.append(stamp.enqueue(time.monotonic_ns()).result(timeout=20) / 1e6)
                time.sleep(BETWEEN_S)
                began = time.perf_counter()
                site.driver.ping()
                trips.append((time.perf_counter() - began) * 1e3)
    finally:
        process.terminate()
        process.communicate()
        board.close()
    trip = statistics.median(trips)
    for share, target in ((0.5, 1.0), (0.99, None)):
        wait = percentile(waits, share)
        yield Figure(
            f"enqueue to start, idle worker, {share:.0%} within",
            wait,
            "ms",
            target=target,
            at_most=True,
            pings=wait / trip,
            note=f"{len(waits):,} jobs, a PING takes {trip:.3f} ms",
        )
