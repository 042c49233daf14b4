"""Which workers there should be, and when one that died may start again.

A place is where one worker of a pool works; workers come and go, each with an id that is never used
again. Nothing here does I/O; the time is an argument.
"""

from __future__ import annotations

from typing import Final

from heijunka.worker.board import Board
from heijunka.worker.crash import Reason
from heijunka.worker.launcher import Launcher
from heijunka.worker.spec import WorkerSpec

QUICK_S: Final = 10.0
"""A worker that died before it was this old died quickly."""

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 30.0
LONGEST_PAUSE_AFTER_WORK_S: Final = 1.0


class Worker:
    """A worker process, as its supervisor sees it.

    Attributes:
        spec: what it was told.
        board: what it shows.
        launcher: the fork server that is its parent.
        born: when it was asked for, by the monotonic clock, in seconds.
        pid: its process; 0 until it is forked.
        joined: whether it got as far as pulling jobs.
        stopping: whether it was told to stop.
        kill_at: when it is killed if it still lives; None for never.
        killed_for: why we killed it, if we did.
    """

    __slots__ = ("board", "born", "joined", "kill_at", "killed_for", "launcher", "pid", "spec", "stopping")

    def __init__(self, spec: WorkerSpec, board: Board, launcher: Launcher, born: float) -> None:
        self.spec, self.board, self.launcher, self.born = spec, board, launcher, born
        self.pid = 0
        self.joined = self.stopping = False
        self.kill_at: float | None = None
        self.killed_for: Reason | None = None

    @property
    def ordered(self) -> bool:
        """Whether it ends because we want it to."""
        return self.stopping or self.killed_for is not None or self.board.retiring


class Place:
    """Where one worker of a pool works.

    Parameters:
        supervisor: what its workers' ids begin with.
        domain: of the pool.
        number: from 1.

    Attributes:
        worker: who works there now.
        closed: whether nobody is to follow.
        start_at: when the next worker may start, by the monotonic clock, in seconds.
    """

    def __init__(self, supervisor: str, domain: str, number: int) -> None:
        self.domain, self.number = domain, number
        self.worker: Worker | None = None
        self.closed = False
        self.start_at = 0.0
        self._supervisor = supervisor
        self._incarnation = 0
        self._quick_deaths = 0

    def next_id(self) -> str:
        """An id for its next worker."""
        self._incarnation += 1
        return f"{self._supervisor}-{self.domain}-{self.number}-{self._incarnation}"

    def hand_over(self, now: float) -> None:
        """Its worker finishes what it runs and pulls no more: the next may start at once."""
        self.worker, self.start_at = None, now
        self._quick_deaths = 0

    def vacate(self, now: float, *, worked: bool, ordered: bool) -> float:
        """Its worker is gone; returns how long to wait for the next, in seconds.

        Parameters:
            now: by the monotonic clock, in seconds.
            worked: whether it got as far as starting an attempt.
            ordered: whether it ended because we wanted it to.
        """
        worker, self.worker = self.worker, None
        if ordered or (worker is not None and now - worker.born >= QUICK_S):
            self._quick_deaths = 0
        else:
            self._quick_deaths += 1
        pause = respawn_pause(self._quick_deaths, worked=worked)
        self.start_at = now + pause
        return pause


def respawn_pause(quick_deaths: int, *, worked: bool) -> float:
    """How long a place stays empty, in seconds.

    A first quick death costs nothing. Workers that die before they start an attempt have something wrong
    that a job is not to blame for; those that die of jobs are waited for less, because the jobs' deliveries
    are counted and end it.

    Parameters:
        quick_deaths: how many workers died there quickly, one after the other.
        worked: whether the last one got as far as starting an attempt.

    Example:
        >>> [respawn_pause(deaths, worked=False) for deaths in (0, 1, 2, 3, 30)]
        [0.0, 0.0, 0.1, 0.2, 30.0]
    """
    if quick_deaths <= 1:
        return 0.0
    longest = LONGEST_PAUSE_AFTER_WORK_S if worked else LONGEST_PAUSE_S
    return min(longest, FIRST_PAUSE_S * 2.0 ** min(quick_deaths - 2, 16))
