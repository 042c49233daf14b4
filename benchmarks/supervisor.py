"""Be `heijunka worker --burst`, without its command line: `python -m benchmarks.supervisor DOMAIN PROCESSES`."""

from __future__ import annotations

import sys

from heijunka.worker.supervisor import Supervisor

if __name__ == "__main__":
    domain, processes = sys.argv[1:]
    sys.exit(Supervisor("benchmarks.load:app", domains=[domain], processes=int(processes), burst=True).run())
