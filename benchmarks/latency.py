"""How soon a job starts when a worker is idle."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Scale, percentile
from benchmarks.load import stamp
from benchmarks.site import Site, awake


def idle(site: Site, scale: Scale) -> Iterator[Figure]:
    """From the call of `enqueue` to the first line of the task, one job at a time, one idle worker."""
    site.clear()
    worker = site.worker("latency", 1, burst=False)
    try:
        with awake():
            stamp.enqueue(time.monotonic_ns()).result(timeout=20)
            waits, trips = [], []
            for _ in range(scale.jobs(1_000)):
                waits.append(stamp.enqueue(time.monotonic_ns()).result(timeout=20) / 1e6)
                began = time.perf_counter()
                site.driver.ping()
                trips.append((time.perf_counter() - began) * 1e3)
    finally:
        worker.terminate()
        worker.communicate()
    median, trip = statistics.median(waits), statistics.median(trips)
    yield Figure(
        "enqueue to start, idle worker, median",
        median,
        "ms",
        target=1.0,
        at_most=True,
        note=f"{median / trip:.1f} times redis-py's PING of {trip:.3f} ms",
    )
    yield Figure("  of 99 %", percentile(waits, 0.99), "ms")
