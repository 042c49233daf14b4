"""A fork server, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import Final

from heijunka.worker.link import Link, Message, Start

_MODULE: Final = "heijunka.worker.forkserver"


class Launcher:
    """Starts a fork server: a fresh interpreter that imports the application.

    It is spawned, not forked, so that it is single-threaded whatever its supervisor is. It leads a group
    of its own (the terminal's Ctrl-C is for the supervisor) and reads nothing from the terminal.

    Parameters:
        start: what it is to load.

    Raises:
        OSError: the system has no room for one more process.

    Attributes:
        link: what is said to it.
        pid: its process.
        code: how it ended: exit code, or the signal's number, negative; None while it lives.
        loading: whether it has not said yet if the application can be loaded.
    """

    def __init__(self, start: Start) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.set_inheritable(True)
            try:
                self.pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-m", _MODULE, str(theirs.fileno()), str(os.getpid())],
                    os.environ,
                    file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
                    setpgroup=0,
                )
            except OSError:
                ours.close()
                raise
        self.link = Link(ours)
        self.code: int | None = None
        self.loading = True
        self.link.send(start)

    def fileno(self) -> int:
        """For select."""
        return self.link.fileno()

    def receive(self) -> Message | None:
        """What it says; None when it is gone."""
        message = self.link.receive()
        self.loading = False
        return message

    def close(self) -> None:
        """Hang up: it kills what workers it has and ends."""
        self.link.close()

    def kill(self) -> None:
        """End it without delay."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until its process has ended; returns how. Call it only when that is about to happen."""
        if self.code is None:
            try:
                self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:
                self.code = -signal.SIGKILL
        return self.code
