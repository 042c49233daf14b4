"""File locks that end with their holder.

flock belongs to an open file, which a fork shares and an exec closes (every file here is opened with
O_CLOEXEC). Three rules follow, and the rest of this package leans on them:

* To give a lock up is to unlock it (`unlock`), which holds for every fork that inherited the file. A fork
  that closes its copy (`forget`) takes nothing away from its parent.
* A lock that a fork must not prolong is opened as `passing`: the child closes its copy in os.fork. Otherwise a
  worker forked while another thread starts the server would look like a starter, or like a server, for
  as long as it lives.
* A lock that speaks for a whole family of processes stays open in the forks. It then ends when its
  owner gives it up, or when the last of the family is gone, kill -9 included.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from heijunka.errors import ServerNotStarted

_POLL_S: Final = 0.002

_passing: set[int] = set()
_forking = threading.RLock()


def _close_passing() -> None:
    _forking.release()
    for descriptor in _passing:
        os.close(descriptor)
    _passing.clear()


os.register_at_fork(before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_close_passing)


def forks_wait() -> contextlib.AbstractContextManager[object]:
    """Let os.fork wait in other threads for the length of a `with` block; keep it short.

    A child forked while a subprocess is being made inherits the pipe by which that tells its success, and its maker
    would wait for as long as the child lives.
    """
    return _forking


class FileLock:
    """A lock that is held.

    Parameters:
        descriptor: of the locked file.
        passing: whether forks close their copy at once.
    """

    __slots__ = ("_passing", "_pid", "descriptor")

    def __init__(self, descriptor: int, *, passing: bool) -> None:
        self.descriptor = descriptor
        self._passing = passing
        self._pid = os.getpid()

    @property
    def ours(self) -> bool:
        """False in a fork of the process that took the lock."""
        return self._pid == os.getpid()

    def unlock(self) -> None:
        """End the lock, in every process that inherited it."""
        if self.descriptor >= 0:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Close this process's copy. The lock lives on while another process has one."""
        with _forking:
            descriptor, self.descriptor = self.descriptor, -1
            if descriptor < 0 or (self._passing and not self.ours):
                return
            _passing.discard(descriptor)
            os.close(descriptor)


def try_lock(path: Path, *, shared: bool = False, passing: bool = False) -> FileLock | None:
    """Lock a file without waiting; None while somebody else's lock forbids it.

    Parameters:
        path: of the lock file; it is created when it is missing, its directory is not.
        shared: whether others may hold it, shared, at the same time.
        passing: whether a fork must not inherit it.
    """
    with _forking:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if passing:
            _passing.add(descriptor)
    lock = FileLock(descriptor, passing=passing)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.forget()
        return None
    except BaseException:
        lock.forget()
        raise
    return lock


def is_locked(path: Path) -> bool:
    """Whether somebody holds the file exclusively; does not create it.

    The look itself is a shared lock for a moment, so a `try_lock` that fails may have met only a look, and has to
    look again.
    """
    if not path.exists():
        return False
    probe = try_lock(path, shared=True, passing=True)
    if probe is None:
        return True
    probe.unlock()
    return False


@contextlib.contextmanager
def through(gate: Path, *, patience_s: float) -> Iterator[None]:
    """Be the only process inside for the length of a `with` block.

    Parameters:
        gate: the lock file; its content is the pid of who is inside, for messages only.
        patience_s: how long to wait for others to leave, in seconds.

    Raises:
        ServerNotStarted: somebody stayed inside for longer.
    """
    deadline = time.monotonic() + patience_s
    while (lock := try_lock(gate, passing=True)) is None:
        if time.monotonic() > deadline:
            raise ServerNotStarted(
                f"process {_inside(gate)} has been starting or stopping the server for {patience_s:.0f} s",
                hint="look at what it does; end it if it hangs",
            )
        time.sleep(_POLL_S)
    try:
        os.ftruncate(lock.descriptor, 0)
        os.pwrite(lock.descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        if lock.ours:
            lock.unlock()


def _inside(gate: Path) -> str:
    with contextlib.suppress(OSError):
        return gate.read_text() or "?"
    return "?"
