"""Run `def` tasks one at a time in the main thread."""

from __future__ import annotations

import time
from contextvars import copy_context
from typing import Any

from heijunka.app.context import CURRENT
from heijunka.commands.settle import Outcome
from heijunka.worker import soft
from heijunka.worker.attempt import Attempt, Pipeline
from heijunka.worker.board import Board
from heijunka.worker.inbox import Inbox
from heijunka.worker.settler import Settler


class InlineExecutor:
    """One slot in the calling thread, or in each of several threads.

    Parameters:
        inbox: where jobs come from.
        pipeline: the steps around running.
        settler: where outcomes go.
        board: shows what runs.
        slot: which slot of the board is this executor's.

    Attributes:
        busy_ns: how long its attempts ran in all.
        ended: how many there were.
        running: whether one runs now.
    """

    def __init__(self, inbox: Inbox, pipeline: Pipeline, settler: Settler, board: Board, slot: int = 0) -> None:
        self._inbox, self._pipeline, self._settler, self._board, self._slot = inbox, pipeline, settler, board, slot
        self.busy_ns = 0
        self.ended = 0
        self.running = False

    def run(self) -> None:
        """Run jobs until the inbox is closed."""
        inbox, settler, admitted = self._inbox, self._settler, self._pipeline.admitted
        self._softly = soft.for_this_thread()
        while True:
            entry = inbox.next()
            if entry is None:
                self.running = False
                if not inbox.wait():
                    return
                continue
            self.running = True
            attempt = admitted(entry)
            settler.put(entry, self._ran(attempt) if isinstance(attempt, Attempt) else attempt)

    def _ran(self, attempt: Attempt) -> Outcome:
        entry = attempt.entry
        since_ns = time.monotonic_ns()
        self._board.begin(
            self._slot, entry.source, entry.id, attempt.job.id, attempt.timeout_ms, since_ns, attempt.runnable.number
        )
        try:
            if attempt.soft_ms:
                context = copy_context()
                context.run(CURRENT.set, attempt.current)
                value = self._softly(context, attempt.runnable.run, attempt.current, attempt.soft_ms)
            else:
                value = copy_context().run(_called, attempt)
        except BaseException as error:  # noqa: BLE001 - a task may raise anything; it ends here
            outcome = self._pipeline.raised(attempt, error)
        else:
            outcome = self._pipeline.returned(attempt, value)
        spent_ns = time.monotonic_ns() - since_ns
        self._board.end(self._slot, spent_ns)
        self.busy_ns += spent_ns
        self.ended += 1
        return outcome


def _called(attempt: Attempt) -> Any:
    """The task, in a context of its own: what it sets there ends with it."""
    CURRENT.set(attempt.current)
    return attempt.runnable.run(attempt.current)
