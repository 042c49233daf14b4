"""How busy a pool's workers have been on this host: totals that only grow, whoever comes and goes."""

from __future__ import annotations

from collections.abc import Iterable

from heijunka.commands import PoolReport
from heijunka.worker.pool import Worker


class Books:
    """The books of one pool: what workers that are gone have done is kept, what the living do is read."""

    def __init__(self) -> None:
        self._busy_ns = self._slot_ns = self._ended = 0

    def close(self, worker: Worker, now_ns: int) -> None:
        """A worker is gone; what it has done stays.

        Parameters:
            worker: it.
            now_ns: by CLOCK_MONOTONIC.
        """
        busy_ns, slot_ns, ended = _done(worker, now_ns)
        self._busy_ns += busy_ns
        self._slot_ns += slot_ns
        self._ended += ended

    def report(self, living: Iterable[Worker], slots: int, now_ns: int) -> PoolReport:
        """What there is of the pool, and what it has done.

        Parameters:
            living: its workers.
            slots: of each that is started from now on.
            now_ns: by CLOCK_MONOTONIC.
        """
        busy_ns, slot_ns, ended = self._busy_ns, self._slot_ns, self._ended
        workers = starting = draining = broken = 0
        for worker in living:
            one_busy_ns, one_slot_ns, one_ended = _done(worker, now_ns)
            busy_ns, slot_ns, ended = busy_ns + one_busy_ns, slot_ns + one_slot_ns, ended + one_ended
            if worker.ordered or worker.board.retirement_wished:
                draining += 1
            else:
                workers += 1
                starting += not worker.joined
                broken += worker.board.broken
        return PoolReport(workers, starting, draining, slots, busy_ns, slot_ns, ended, broken=broken)


def _done(worker: Worker, now_ns: int) -> tuple[int, int, int]:
    if not worker.joined:
        return 0, 0, 0
    there_ns = (now_ns - worker.joined_ns) * worker.board.slots
    return min(worker.board.busy_ns(now_ns), there_ns), there_ns, worker.board.ended
