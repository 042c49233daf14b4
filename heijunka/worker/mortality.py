"""Who dies with whom.

A worker must not outlive its fork server, nor a fork server its supervisor, and what a task started must
not outlive its worker. Linux does this for us (parent-death signals, subreapers); elsewhere a thread
asks who the parent is, and strays belong to init.

What a worker started is known by its group, by its session, or by the worker's id in its environment. Only a
process that takes leave of all three on purpose, and runs no other program, is nobody's.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

MARK: Final = "HEIJUNKA_WORKER"
"""Variable that holds the worker's id in the environment of what it starts."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_ASK_EVERY_S: Final = 0.5
_OOM_SCORE: Final = Path("/proc/self/oom_score_adj")


def die_with(parent: int, *, ask: bool = True) -> None:
    """Let the kernel kill this process when `parent` dies.

    Parameters:
        parent: this process's parent, as it was known before the fork.
        ask: where the kernel cannot, start a thread that looks for the parent twice a second.
    """
    told = _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        _die()
    if not told and ask:
        threading.Thread(target=_ask, args=(parent,), name="mortality", daemon=True).start()


def live_on() -> None:
    """Take `die_with` back: this process notices by itself, and has to clean up first."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> bool:
    """Become the parent of descendants whose parent died, to reap them; whether that is possible here."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def be_first_out_of_memory(by: int = 500) -> None:
    """Make the kernel rather kill this process than its ancestors when memory runs out, if it can be told."""
    with contextlib.suppress(OSError, ValueError), _OOM_SCORE.open("r+") as file:
        score = min(1000, int(file.read()) + by)
        file.seek(0)
        file.write(str(score))


def kill_group(leader: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process and to everything in the group it leads."""
    for send in (os.kill, os.killpg):  # the group exists only once the child has made it
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(leader, how)


def end_strays(worker: str, leader: int) -> None:
    """End what a dead worker started, as far as it became ours: what left its group, and all that descends from that.

    Parameters:
        worker: its id.
        leader: its process, as the leader of its session.
    """
    mark = f"{MARK}={worker}".encode()
    left = {child for child in children(os.getpid()) if child != leader and _is_of(child, leader, mark)}
    for pid in left | {each for stray in left for each in descendants(stray)}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The children of a process; none where the system does not tell."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def descendants(pid: int) -> Iterator[int]:
    """What descends from a process, as far as it is not orphaned."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def _is_of(pid: int, leader: int, mark: bytes) -> bool:
    with contextlib.suppress(OSError):
        return os.getsid(pid) == leader or mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _prctl(option: int, value: int) -> bool:
    prctl = _libc_prctl()
    return prctl is not None and prctl(option, value, 0, 0, 0) == 0


@functools.cache
def _libc_prctl() -> Any:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)


def _ask(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ASK_EVERY_S)
    _die()


def _die() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
