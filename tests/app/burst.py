"""Be one worker process until its domain is empty: `python -m tests.app.burst DOMAIN SLOTS BOARD`."""

from __future__ import annotations

import logging
import sys

from heijunka.worker.board import Board
from heijunka.worker.process import run_worker
from heijunka.worker.spec import WorkerSpec
from tests.app.shop import app


def spec(domain: str, slots: int, board: str, *, burst: bool = True) -> WorkerSpec:
    """A worker of the shop."""
    return WorkerSpec(
        id=f"test-{domain}",
        domain=domain,
        namespace=app.namespace,
        redis_url=app.redis_url(),
        slots=slots,
        board=board,
        lease_ms=60_000,
        poll_ms=1_000,
        grace_ms=app.settings.grace_ms,
        pull_size=10,
        burst=burst,
    )


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    domain, slots, board, kind = sys.argv[1:]
    sys.exit(
        run_worker(app, spec(domain, int(slots), board, burst=kind == "burst"), Board.create(board, slots=int(slots)))
    )
