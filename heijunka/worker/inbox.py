"""Jobs that were pulled and not started yet, handed from the fetcher to the executor.

Taking a job is one atomic operation, so whoever gets it first has it: an executor that starts it, or the
fetcher that gives it back when the worker stops or is busy with something long. No lock is taken per job;
tokens only wake executors that ran out of work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from heijunka.commands import Entry


class Inbox:
    """Unstarted jobs of one worker.

    Parameters:
        executors: how many threads may wait for jobs.
    """

    def __init__(self, executors: int = 1) -> None:
        self._executors = executors
        self._entries: deque[Entry] = deque()
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        self._low = threading.Event()
        self._low_mark = 0
        self._closed = False
        self.on_arrival: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    # -- the fetcher's side ---------------------------------------------------------------------

    def put(self, entries: Sequence[Entry]) -> None:
        """Hand jobs over."""
        self._entries.extend(entries)
        if self.on_arrival is not None:
            self.on_arrival()
            return
        for _ in range(min(len(entries), self._executors)):
            self._tokens.put(True)

    def watch(self) -> None:
        """From now on remember that the inbox ran low or an executor ran idle.

        Called before looking at what is free, so that nothing that changes meanwhile is missed.
        """
        self._low.clear()

    def wait_until_low(self, mark: int, timeout_s: float | None = None) -> None:
        """Wait until at most `mark` jobs are unstarted, an executor ran idle, `nudge` was called, or time is over."""
        self._low_mark = mark
        if len(self._entries) > mark:
            self._low.wait(timeout_s)

    def nudge(self) -> None:
        """Wake the fetcher."""
        self._low.set()

    def drained(self, keep: int = 0) -> list[Entry]:
        """Take everything that is unstarted, but for the next `keep` jobs."""
        taken = []
        while len(self._entries) > keep:
            try:
                taken.append(self._entries.pop())
            except IndexError:
                break
        taken.reverse()
        return taken

    def close(self) -> None:
        """Tell the executors that no more jobs will come."""
        self._closed = True
        for _ in range(self._executors):
            self._tokens.put(False)
        if self.on_arrival is not None:
            self.on_arrival()

    # -- the executor's side --------------------------------------------------------------------

    def next(self) -> Entry | None:
        """The next job, or None when there is none right now."""
        try:
            entry = self._entries.popleft()
        except IndexError:
            return None
        if len(self._entries) <= self._low_mark and not self._low.is_set():
            self._low.set()
        return entry

    def wait(self) -> bool:
        """Wait for a job to arrive; False when the inbox is closed and will stay empty."""
        if self._closed and not self._entries:
            return False
        if not self._low.is_set():
            self._low.set()
        return self._tokens.get() or not self._closed or bool(self._entries)

    @property
    def closed(self) -> bool:
        """Whether no more jobs will come."""
        return self._closed
