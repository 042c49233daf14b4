"""How long it takes until what a lost host held can be run again, and how long the server is busy with it at a time."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.crew import queue
from benchmarks.figures import Figure, Scale
from benchmarks.load import app, noop
from benchmarks.site import Site
from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.worker.keeper import Keeper, Terms

HELD = 200
"""Jobs that one worker holds: the most that it pulls at once."""

LEASE_MS = 50
WITHIN_S = 60


def recovery(site: Site, scale: Scale) -> Iterator[Figure]:
    """A host with 50 workers is lost while each of them holds 200 jobs; the keeper of another one notices."""
    jobs = scale.jobs(10_000) // HELD * HELD
    taken, slowest = [], []
    for _ in range(scale.rounds):
        site.clear()
        _lost(site, jobs)
        site.driver.config_set("slowlog-log-slower-than", 0)
        site.driver.config_set("slowlog-max-len", 100_000)
        site.driver.slowlog_reset()
        taken.append(_recovered(site, jobs))
        site.driver.config_set("slowlog-log-slower-than", -1)
        calls: list[dict[str, Any]] = site.driver.slowlog_get(-1)
        slowest.append(max(call["duration"] for call in calls if b"EVALSHA" in call["command"].upper()) / 1_000)
    yield Figure(
        f"recovery of {jobs:,} jobs of a lost host",
        statistics.median(taken),
        "s",
        target=1.0,
        at_most=True,
        note=f"{jobs // HELD} workers, one keeper; {LEASE_MS} ms of it for doubt",
    )
    yield Figure("  its longest script call", max(slowest), "ms", target=20.0, at_most=True)


def _lost(site: Site, jobs: int) -> None:
    """Jobs that are held by workers whose leases are over."""
    keys = app.keys(noop.task_options.domain)
    queue(noop, jobs)
    with Client(site.url) as client:
        for number in range(jobs // HELD):
            worker = f"lost-{number}"
            client.execute(commands.join(keys, worker, ttl=Milliseconds(1)))
            client.execute(commands.pull(keys, worker, HELD, alone=True))


def _recovered(site: Site, jobs: int) -> float:
    """Seconds from the start of a keeper until all of them wait again."""
    domain = noop.task_options.domain
    terms = Terms(app.namespace, LEASE_MS, max_deliveries=3, keep_failure_ms=0)
    keeper = Keeper(Client(site.url, role="keeper").channel(), terms, [domain], buried=lambda _: None)
    log = logging.getLogger("heijunka.worker")
    level = log.level
    log.setLevel(logging.ERROR)  # it tells of every lost worker
    began = time.perf_counter()
    keeper.start()
    try:
        while site.driver.zcard(app.keys(domain).workers):
            time.sleep(0.001)
            if time.perf_counter() - began > WITHIN_S:
                raise TimeoutError(f"the keeper did not recover {jobs:,} jobs within {WITHIN_S} s")
        took = time.perf_counter() - began
    finally:
        keeper.stop()
        keeper.join(5)
        log.setLevel(level)
    depths = site.depths(domain)
    if depths.load != jobs or depths.counted("charged") != jobs:
        raise ValueError(f"of {jobs:,} jobs {depths.counted('charged'):,} were recovered")
    return took
