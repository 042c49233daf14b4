"""What a worker process is told when it is forked."""

from __future__ import annotations

import msgspec


class WorkerSpec(msgspec.Struct, frozen=True):
    """One worker.

    Attributes:
        id: unique for ever, also the consumer's name in Redis: `<host>-<supervisor>-<domain>-<place>-<incarnation>`.
        domain: whose jobs it runs.
        namespace: of the application.
        redis_url: where Redis is.
        slots: attempts it runs at a time.
        board: path of its board file.
        lease_ms: how long its lease lasts between renewals, ms.
        poll_ms: how long an idle worker waits for the bell before it looks by itself, ms.
        grace_ms: how long running attempts may go on after it was told to stop, ms.
        pull_size: jobs its first pull asks for.
        max_jobs: after how many jobs it retires; 0 for never.
        burst: whether it ends when it finds nothing to do.
    """

    id: str
    domain: str
    namespace: str
    redis_url: str
    slots: int
    board: str
    lease_ms: int
    poll_ms: int
    grace_ms: int
    pull_size: int
    max_jobs: int = 0
    burst: bool = False
