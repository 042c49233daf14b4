"""What a worker said last, where its supervisor finds it when the worker is dead.

A job that kills its worker leaves no exception. What it leaves is on stderr, and who looks at the dead letter
does not have that. So the end of what a worker writes to `sys.stderr` is also kept in a small file in memory, and
faulthandler's account of a crash goes to the same file, from where the supervisor logs it.

Stderr itself stays what it is, the supervisor's own, and nobody stands between: no pipe can fill up, so a worker
never waits for a supervisor that is frozen or slow. What C code and other programs write to stderr is therefore
in the log only.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import mmap
import os
import sys
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ROOM: Final = 4096
LINES: Final = 20

_TOTAL: Final = Struct("@Q")
_SAID_AT: Final = _TOTAL.size
_DUMP_AT: Final = _SAID_AT + ROOM


class LastWords(msgspec.Struct, frozen=True):
    """What is known of a dead worker's last moments.

    Attributes:
        said: the last lines on `sys.stderr`.
        dump: where it was when it crashed, the innermost call first; "" when it did not.
    """

    said: str = ""
    dump: str = ""

    @property
    def text(self) -> str:
        """Both."""
        return "\n".join(filter(None, (self.said, self.dump)))


class Overheard(io.FileIO):
    """A raw stderr whose end is remembered once `remember` was called."""

    _memory: mmap.mmap | None = None
    _total = 0

    def remember(self, memory: mmap.mmap) -> None:
        """Keep what is written from now on in `memory`."""
        self._memory, self._total = memory, 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, and remember. Stderr's buffer holds a lock around it."""
        if self._memory is not None:
            last = bytes(data)[-ROOM:]
            at = self._total % ROOM
            fits = min(len(last), ROOM - at)
            self._memory[_SAID_AT + at : _SAID_AT + at + fits] = last[:fits]
            if fits < len(last):
                self._memory[_SAID_AT : _SAID_AT + len(last) - fits] = last[fits:]
            self._total += len(last)
            _TOTAL.pack_into(self._memory, 0, self._total)
        return super().write(data)


def overhear() -> None:
    """Make `sys.stderr` one that can remember. Before anybody has got hold of it: handlers of logs do."""
    before = sys.stderr
    raw = Overheard(before.fileno(), "wb", closefd=False)
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=before.encoding, errors=before.errors, line_buffering=True
    )


def remember(path: str) -> None:
    """From now on keep what this process says in a new file at `path`, and what faulthandler says of a crash.

    Raises:
        OSError: the file exists, or there is no room for it.
    """
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.write(fd, bytes(_DUMP_AT))  # written, not truncated: see `Board.create`
    faulthandler.enable(fd, all_threads=False)  # the thread that crashed; it appends, and needs the file open
    raw = getattr(getattr(sys.stderr, "buffer", None), "raw", None)
    if isinstance(raw, Overheard):  # the application may have put something else there
        raw.remember(mmap.mmap(fd, _DUMP_AT))


def last_words(path: Path) -> LastWords:
    """What a dead worker said last, bounded; nothing when there is no such file.

    Parameters:
        path: of the file it kept.
    """
    data = b""
    with contextlib.suppress(OSError):
        data = path.read_bytes()
    if len(data) < _DUMP_AT:
        return LastWords()
    total = _TOTAL.unpack_from(data)[0]
    ring, at = data[_SAID_AT:_DUMP_AT], total % ROOM
    said = (ring[at:] + ring[:at] if total > ROOM else ring[:total]).decode("utf-8", "replace")
    dump = data[_DUMP_AT : _DUMP_AT + ROOM].decode("utf-8", "replace")
    return LastWords("\n".join(said.rstrip("\n").split("\n")[-LINES:]), "\n".join(dump.strip("\n").split("\n")[:LINES]))
