"""The fork servers of a supervisor: the one at work, the one that loads new code, and those that end.

A new one takes over only when it is ready, so a broken deployment changes nothing. One that is lost is
replaced, later and later if that keeps happening.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections.abc import Callable, Iterable
from typing import Final

from heijunka.worker.launcher import Launcher
from heijunka.worker.link import Start
from heijunka.worker.pool import respawn_pause

log: Final = logging.getLogger("heijunka.worker")

FORGET_AFTER_S: Final = 60.0
"""Fork servers lost further apart than this have nothing to do with each other."""


class Nursery:
    """Starts, replaces and ends fork servers.

    Parameters:
        start: what they load.
        selector: where their links are registered, with the launcher as data.

    Attributes:
        current: the one that makes workers now.
        coming: the one that is loading.
    """

    def __init__(self, start: Start, selector: selectors.BaseSelector) -> None:
        self._start, self._selector = start, selector
        self._open: dict[int, Launcher] = {}
        self._leaving: dict[int, Launcher] = {}
        self._load_at: float | None = None
        self._losses, self._lost_at = 0, 0.0
        self.current: Launcher | None = None
        self.coming: Launcher | None = None

    def __contains__(self, launcher: object) -> bool:
        return launcher in self._open.values()

    def load(self) -> None:
        """Start one; in a while, if the system has no room for it now."""
        self._load_at = None
        try:
            self.coming = launcher = Launcher(self._start)
        except OSError as error:
            log.error("no fork server can be started: %s", error)
            self.load_later()
            return
        self._open[launcher.pid] = launcher
        self._selector.register(launcher, selectors.EVENT_READ, launcher)

    def load_later(self) -> None:
        """Start one in a while, because one was lost or could not be started."""
        now = time.monotonic()
        self._losses = self._losses + 1 if now - self._lost_at < FORGET_AFTER_S else 1
        self._lost_at = now
        self._load_at = now + respawn_pause(self._losses, worked=False)

    def load_if_due(self, now: float) -> None:
        """Start the one that was to come in a while."""
        if self._load_at is not None and now >= self._load_at:
            self.load()

    def promote(self, launcher: Launcher) -> None:
        """The one that was loading makes workers from now on."""
        self.coming, self.current = None, launcher

    def release(self, launcher: Launcher) -> None:
        """Let one go: it kills what workers it has and ends."""
        if self.coming is launcher:
            self.coming = None
        if self.current is launcher:
            self.current = None
        if self._open.pop(launcher.pid, None) is not None:
            self._selector.unregister(launcher)
            launcher.close()
            if launcher.loading:  # it is busy with the user's code and would not notice
                launcher.kill()
            if launcher.code is None:
                self._leaving[launcher.pid] = launcher

    def release_idle(self, busy: Iterable[Launcher]) -> None:
        """Let those go that neither load, nor make workers, nor have any (`busy`)."""
        for launcher in {*self._open.values()} - {*busy, self.coming, self.current}:
            self.release(launcher)

    def reap(self, stranger: Callable[[int, int], None]) -> None:
        """Reap children of this process that ended.

        Parameters:
            stranger: told the pid and the exit code of those that are no fork servers.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid in self._open:
                self._open[pid].code = code  # the end of its link says the rest
            elif pid in self._leaving:
                self._leaving.pop(pid).code = code
            else:
                stranger(pid, code)

    def release_all(self) -> None:
        """Let all go."""
        self._load_at = None
        for launcher in [*self._open.values()]:
            self.release(launcher)

    @property
    def is_empty(self) -> bool:
        """Whether none is left, nor leaving."""
        return not self._open and not self._leaving

    def kill(self) -> None:
        """End those that do not leave."""
        for launcher in self._leaving.values():
            launcher.kill()
            launcher.wait()
        self._leaving.clear()
