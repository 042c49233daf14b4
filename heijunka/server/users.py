"""Who uses an instance.

A user holds a shared lock for as long as it lives, so the kernel forgets a killed user at the right moment, and
its forks count as part of it. Whether somebody else is left is one attempt to lock exclusively. The
notes beside the lock only give names to messages; nothing is decided by them.

Only call these with the gate held: an attempt to lock exclusively would make a `join` at the same moment fail.
`named` is the exception, it looks at notes alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import msgspec

from heijunka.server.lock import FileLock, try_lock
from heijunka.server.place import Place, write_closed

_LONGEST_COMMAND = 120


class User(msgspec.Struct, frozen=True):
    """A process that uses an instance."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.command})"


class Share:
    """One user's part in an instance.

    Parameters:
        lock: the shared lock.
        note: the file that names the user.
    """

    __slots__ = ("lock", "note")

    def __init__(self, lock: FileLock, note: Path) -> None:
        self.lock = lock
        self.note = note

    @property
    def ours(self) -> bool:
        """False in a fork of the user."""
        return self.lock.ours


def join(place: Place) -> Share:
    """Become a user."""
    _forget_the_dead(place)
    lock = try_lock(place.in_use, shared=True)
    if lock is None:
        raise RuntimeError(f"{place.in_use} was locked exclusively without the gate")
    note = place.notes / f"{os.getpid()}.{lock.descriptor}"
    with contextlib.suppress(OSError):  # a full disk must not keep anybody from reading jobs
        write_closed(note, msgspec.json.encode(User(pid=os.getpid(), command=_command())))
    return Share(lock, note)


def leave(share: Share) -> None:
    """Stop being a user, together with all forks."""
    share.lock.unlock()
    share.note.unlink(missing_ok=True)


def anybody(place: Place) -> bool:
    """Whether there is any user, ourselves included."""
    lock = try_lock(place.in_use)
    if lock is None:
        return True
    lock.unlock()
    return False


def named(place: Place) -> tuple[User, ...]:
    """The users as far as they left a note and still live, by pid."""
    users = set()
    for note in _notes(place):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            users.add(msgspec.json.decode(note.read_bytes(), type=User))
    return tuple(sorted((user for user in users if _lives(user.pid)), key=lambda user: user.pid))


def _forget_the_dead(place: Place) -> None:
    for note in _notes(place):
        pid = note.name.partition(".")[0]
        if pid.isdecimal() and not _lives(int(pid)):
            note.unlink(missing_ok=True)


def _notes(place: Place) -> list[Path]:
    return list(place.notes.iterdir()) if place.notes.is_dir() else []


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _command() -> str:
    program, *arguments = sys.argv or [""]
    words = " ".join([Path(program).name or "python", *arguments])
    shown = "".join(letter if letter.isprintable() else "?" for letter in words)
    return shown if len(shown) <= _LONGEST_COMMAND else f"{shown[: _LONGEST_COMMAND - 1]}…"
