"""Talk about every failure, but not without measure: a flood of them must not become a flood of writing.

At most so many lines a second are logged; what is left out is counted, and the count is logged when the second is
over, also when nothing happens any more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from heijunka.counted import counted

LINES_PER_S: Final = 20
WINDOW_S: Final = 1.0

Later = Callable[[float, Callable[[], None]], None]
"""Calls something so many seconds later."""


class Sparing:
    """A logger for what may happen thousands of times a second. For any thread.

    Parameters:
        log: where lines go.
        lines_per_s: so many at most.
        clock: tells seconds.
        later: calls something later.
    """

    def __init__(
        self,
        log: logging.Logger,
        *,
        lines_per_s: int = LINES_PER_S,
        clock: Callable[[], float] = time.monotonic,
        later: Later | None = None,
    ) -> None:
        self._log, self._most, self._clock = log, lines_per_s, clock
        self._later = later or _by_timer
        self._lock = threading.Lock()
        self._since, self._said, self._unsaid = -WINDOW_S, 0, 0

    def say(self, level: int, text: str, *args: object, more: Callable[[], str] = str) -> None:
        """Log one line, or count it.

        Parameters:
            level: of the line.
            text: as loggers take it.
            args: likewise.
            more: tells what belongs to it at DEBUG, such as a traceback; called only when that is logged.
        """
        if not self._log.isEnabledFor(level) or not self._may():
            return
        self._log.log(level, text, *args)
        if self._log.isEnabledFor(logging.DEBUG) and (below := more()):
            self._log.debug("%s", below.rstrip())

    def flush(self) -> None:
        """Log how many lines were left out, if any were."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, 0
        if unsaid:
            self._log.warning("and %s, not logged one by one", counted(unsaid, "more failure"))

    def _may(self) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._since >= WINDOW_S:
                self._since, self._said = now, 0
            if self._said < self._most:
                self._said += 1
                return True
            self._unsaid += 1
            first = self._unsaid == 1
        if first:
            self._later(max(0.0, self._since + WINDOW_S - now), self.flush)
        return False


def _by_timer(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
