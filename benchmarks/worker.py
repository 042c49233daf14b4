"""Be one worker process that nobody supervises, and tell what it took: `python -m benchmarks.worker JSON`."""

from __future__ import annotations

import json
import resource
import sys
import time

from benchmarks.load import app
from heijunka.worker.board import Board
from heijunka.worker.process import run_worker
from heijunka.worker.spec import WorkerSpec

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    spec = WorkerSpec(
        id="bench",
        namespace=app.namespace,
        redis_url=app.redis_url(),
        lease_ms=600_000,  # nobody renews it
        poll_ms=1_000,
        grace_ms=1_000,
        pull_size=10,
        **asked,
    )
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    code = run_worker(app, spec, Board.open(spec.board))
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": took, "cpu_s": used}))
    sys.exit(code)
