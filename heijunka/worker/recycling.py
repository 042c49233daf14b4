"""When a worker has served long enough: after so many jobs, or when it has become too big.

A worker that goes retires: it pulls no more, gives back what it has not started, finishes what it runs, however
long that takes, and ends. Its successor starts as soon as it pulls no more. No attempt is cut short, and nobody
is charged.

Jobs the worker counts itself, when it pulls them, so it never takes one too many. Memory its supervisor watches,
now and then and from outside, at no cost for jobs; a worker grows past the bound by what it takes meanwhile.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 0.5
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Waistline:
    """Which workers have become too big.

    Parameters:
        most: bytes that may be resident, pages shared with others included; 0 for any number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._look_at = 0.0
        self._due = False

    def tick(self, now: float) -> None:
        """One more round of looking at workers begins.

        Parameters:
            now: by the monotonic clock, in seconds.
        """
        self._due = self._most > 0 and now >= self._look_at
        if self._due:
            self._look_at = now + LOOK_EVERY_S

    def outgrown(self, pid: int) -> int:
        """How many bytes of a worker are resident, if that is too many; 0 otherwise.

        Parameters:
            pid: of the worker; 0 when it is not there yet.
        """
        if not self._due or not pid:
            return 0
        resident = resident_bytes(pid)
        return resident if resident > self._most else 0


def resident_bytes(pid: int) -> int:
    """How much memory a process has; 0 when it is gone, or the system does not tell (it is not Linux)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
