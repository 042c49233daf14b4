"""Be one worker process, and tell what it took: `python -m benchmarks.worker DOMAIN SLOTS BOARD BURST`."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.load import app
from heijunka.worker.board import Board
from heijunka.worker.process import run_worker
from heijunka.worker.spec import WorkerSpec

STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """This program's own peak; what getrusage tells began with the peak of the process that started it."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    domain, slots, path, burst = sys.argv[1:]
    spec = WorkerSpec(
        id=f"bench-{domain}",
        domain=domain,
        namespace=app.namespace,
        redis_url=app.redis_url(),
        slots=int(slots),
        board=path,
        lease_ms=600_000,
        poll_ms=1_000,
        grace_ms=1_000,
        pull_size=10,
        burst=burst == "True",
    )
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    code = run_worker(app, spec, Board.create(path, slots=spec.slots))
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": took,
                "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                "peak_mib": peak_mib(),
            }
        )
    )
    sys.exit(code)
