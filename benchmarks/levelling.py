"""What levelling costs while jobs flow: the supervisor with its coordinator, and limits that nothing meets."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, Scale
from benchmarks.load import anoop, app, kept, noop
from benchmarks.site import Site

RATE = 5_000
DOMAINS = ("inline", "kept", "loop")
TICK_S = 0.02
FAR = 100_000_000
"""A limit that nothing meets."""


def levelling(site: Site, scale: Scale) -> Iterator[Figure]:
    """5,000 jobs/s over three pools, with limits and without in turn."""
    site.clear()
    length_s = max(0.5, 5.0 * scale.factor)
    with _workers(site) as supervisor:
        _driven(1.0)
        before, began = _cpu_s(supervisor), time.perf_counter()
        pairs = [_pair(site, supervisor, length_s) for _ in range(scale.rounds)]
        share = (_cpu_s(supervisor) - before) / (time.perf_counter() - began)
    yield Figure(
        "supervisor and coordinator, of one core", share * 100, "%", target=2, at_most=True,
        note=f"{RATE:,} jobs/s over three pools",
    )  # fmt: skip
    for place, who in enumerate(("workers", "the server")):
        off = statistics.median(pair[0][place] for pair in pairs) / length_s
        more = statistics.median((pair[1][place] - pair[0][place]) / length_s for pair in pairs)
        yield Figure(
            f"limits, in CPU of {who}, of one core", more * 100, "%", target=2, at_most=True,
            note=f"{off:.1%} of a core without them, in turn",
        )  # fmt: skip


def _pair(site: Site, supervisor: subprocess.Popen[str], length_s: float) -> tuple[tuple[float, float], ...]:
    """CPU seconds of workers and server, without limits and with them."""
    found = []
    for on in (False, True):
        for domain in DOMAINS:
            if on:
                app.control.limits.set(domain, soft_limit=FAR, hard_limit=2 * FAR)
            else:
                app.control.limits.reset(domain)
        workers, server = _descendants_s(supervisor), site.cpu_s()
        _driven(length_s)
        found.append((_descendants_s(supervisor) - workers, site.cpu_s() - server))
    return tuple(found)


def _driven(length_s: float) -> None:
    """Enqueue at the rate, a third to each pool."""
    began, sent = time.perf_counter(), 0
    while (at := time.perf_counter() - began) < length_s:
        due = int(RATE * at) - sent
        for task in (noop, kept, anoop):
            if due >= 3:
                task.enqueue_many([(number,) for number in range(due // 3)])
        sent += due // 3 * 3
        time.sleep(TICK_S)


@contextlib.contextmanager
def _workers(site: Site) -> Iterator[subprocess.Popen[str]]:
    flags = [word for domain in DOMAINS for word in ("-d", domain)]
    supervisor = site.python("-m", "heijunka_cli", "worker", "benchmarks.load:app", *flags, stderr=subprocess.DEVNULL)
    try:
        while sum(site.depths(domain).workers for domain in DOMAINS) < 2 * len(DOMAINS):
            if supervisor.poll() is not None:
                raise RuntimeError(f"the supervisor ended with {supervisor.returncode}")
            time.sleep(0.05)
        yield supervisor
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait()


def _cpu_s(process: subprocess.Popen[str]) -> float:
    return _used_s(process.pid)


def _used_s(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _descendants_s(process: subprocess.Popen[str]) -> float:
    """CPU seconds of the processes below one, those that live."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(place.read_text().rpartition(") ")[2].split()[1])
            parents.setdefault(parent, []).append(int(place.parent.name))
    total, left = 0.0, list(parents.get(process.pid, []))
    while left:
        pid = left.pop()
        total += _used_s(pid)
        left += parents.get(pid, [])
    return total
