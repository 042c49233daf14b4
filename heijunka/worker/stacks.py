"""Show what workers are doing: a line that says which jobs they run, and below it their stacks.

The worker prints its stacks itself, from a signal handler in C, so that it works whatever holds the interpreter. It
knows threads and no jobs: the line above is ours, from its board. One worker at a tick, or their lines would mix.
"""

from __future__ import annotations

import logging
import signal
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from heijunka.clock import spell_ms
from heijunka.worker.board import Board, Running
from heijunka.worker.pool import Worker

log: Final = logging.getLogger("heijunka.worker")


class Stacks:
    """Which workers are to show theirs.

    Parameters:
        tell: sends a signal to workers.
    """

    def __init__(self, tell: Callable[[list[Worker], signal.Signals], None]) -> None:
        self._tell = tell
        self._waiting: deque[Worker] = deque()

    def ask(self, workers: Iterable[Worker]) -> None:
        """Let these show what they are doing, one after the other."""
        self._waiting += workers

    def tick(self, living: Callable[[Worker], bool], now_ns: int) -> None:
        """Let the next one show it.

        Parameters:
            living: whether a worker is still there.
            now_ns: by CLOCK_MONOTONIC.
        """
        if not self._waiting or not living(worker := self._waiting.popleft()):
            return
        board = worker.board
        doing = [f"slot {attempt.slot} {ran_for(board, attempt, now_ns)}" for attempt in board.running()]
        log.warning("%s is doing this: %s", worker.spec.id, "; ".join(doing) or "waiting for jobs")
        self._tell([worker], signal.SIGTTIN)


def ran_for(board: Board, attempt: Running, now_ns: int) -> str:
    """What an attempt is and how long it has been running, as people see it."""
    return f"runs {board.describe(attempt)} for {spell_ms((now_ns - attempt.since_ns) // 1_000_000)}"
