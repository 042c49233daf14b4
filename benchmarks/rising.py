"""How soon a pool follows a step of its load, and a burst: with real workers, whose jobs sleep."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Scale
from benchmarks.load import app, nap
from benchmarks.site import Site

DOMAIN = "naps"
NAP_MS = 50
TICK_S = 0.02
CALM_RATE = 10.0
STEP = 5.0
BURST = 100.0
BURST_S = 10.0
LOOKS_S = 65.0
"""How long the usual arrivals are shown before the burst: the baseline needs a minute."""

ENDS_WITHIN_S = 120.0


def rising(site: Site, scale: Scale) -> Iterator[Figure]:
    """A step to five times the load, then (at full scale) a burst of a hundred times for ten seconds."""
    site.clear()
    supervisor = site.python(
        "-m", "heijunka_cli", "worker", "benchmarks.load:app", "-d", DOMAIN, stderr=subprocess.DEVNULL
    )
    try:
        while site.depths(DOMAIN).workers < 2:
            if supervisor.poll() is not None:
                raise RuntimeError(f"the supervisor ended with {supervisor.returncode}")
            time.sleep(0.05)
        yield from _step(site)
        if scale.factor >= 1:
            yield from _burst(site)
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait()


def _step(site: Site) -> Iterator[Figure]:
    """From what two workers do easily to five times that: 4 workers' work at 100 %, 6 at 70 %."""
    pool, rate = app.control.pools[DOMAIN], 16.0
    for _ in _driven(rate, 8.0):
        pass
    before, reached_s = pool.status().target, None
    needed = round(rate * STEP * NAP_MS / 1_000 / 0.7)
    for at_s in _driven(rate * STEP, 8.0):
        if reached_s is None and site.depths(DOMAIN).workers >= needed:
            reached_s = at_s
    yield Figure(
        "a step to 5 times the load: workers are there", reached_s if reached_s is not None else 99.0, "s",
        target=3.0, at_most=True, note=f"{needed} workers at 70 %, {before} before",
    )  # fmt: skip


def _burst(site: Site) -> Iterator[Figure]:
    """A hundred times the arrivals of the last minute, for ten seconds."""
    pool = app.control.pools[DOMAIN]
    for _ in _driven(CALM_RATE, LOOKS_S):
        pass
    before, raised_s = site.depths(DOMAIN).counted("enqueued"), None
    for at_s in _driven(CALM_RATE * BURST, BURST_S):
        if raised_s is None and pool.burst_status() is not None:
            raised_s = at_s
    sent = site.depths(DOMAIN).counted("enqueued") - before
    for _ in _driven(CALM_RATE, ENDS_WITHIN_S):
        if pool.burst_status() is None and site.depths(DOMAIN).load < 10:
            break
    depths, ended = site.depths(DOMAIN), pool.surges(1)
    lost = depths.counted("enqueued") - depths.counted("ack", "done") - depths.load
    what = f"{sent:,} jobs in 10 s"
    yield Figure(
        "a burst of 100 times: a surge is raised", raised_s if raised_s is not None else 99.0, "s",
        target=5.0, at_most=True, note=what,
    )  # fmt: skip
    yield Figure("  jobs lost or run twice", abs(lost) + depths.counted("charged"), "", target=0, at_most=True)
    if ended:
        surge = ended[0]
        note = f"{surge.served:,.0f} jobs served, {surge.avoided_s:,.0f} s of waiting avoided; {surge.ending}"
        yield Figure("  it ended after", surge.ended_s - surge.began_s, "s", note=note)
        yield Figure("  and cost", surge.worker_s, "s", note="worker-seconds")


def _driven(rate: float, length_s: float) -> Iterator[float]:
    """Enqueue at a rate; yields after each tick, with the seconds since the first."""
    began, sent = time.perf_counter(), 0
    while (at_s := time.perf_counter() - began) < length_s:
        due = int(rate * at_s) - sent
        if due:
            nap.enqueue_many([(NAP_MS,)] * due)
            sent += due
        yield at_s
        time.sleep(TICK_S)
