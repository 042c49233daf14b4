"""The book that tasks write into, outside Redis and outside Heijunka: what really was done.

A line is one `write` to a file opened for appending, so lines of many processes never mix and a process
that is killed leaves either the whole line or none. It is in the kernel's hands then, and outlives whoever wrote it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

STARTED: Final = "S"
ENDED: Final = "E"
FAILED: Final = "F"
"""The attempt raised on purpose: that it is followed by another one is no fault."""


class Line(msgspec.Struct, frozen=True):
    """One thing that happened.

    Attributes:
        kind: `STARTED`, `ENDED` or `FAILED`.
        op: which operation of the producer's.
        pid: of the process that did it.
        at_ns: when, by the monotonic clock that all processes of a host share.
        attempt: its number, as the task was told.
        deliveries: those charged, as the task was told.
        job: the job's id, as the task was told.
    """

    kind: str
    op: int
    pid: int
    at_ns: int
    attempt: int = 1
    deliveries: int = 0
    job: str = "-"


class Ledger:
    """A ledger file.

    Parameters:
        path: where it is; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, kind: str, op: int, attempt: int = 1, deliveries: int = 0, job: str = "-") -> None:
        """Write one line."""
        line = f"{kind} {op} {os.getpid()} {time.monotonic_ns()} {attempt} {deliveries} {job}\n".encode()
        assert os.write(self._fd, line) == len(line)

    def lines(self) -> list[Line]:
        """Everything that is written, in order."""
        read = []
        for text in self._path.read_text().splitlines():
            kind, *numbers, job = text.split(" ")
            op, pid, at_ns, attempt, deliveries = map(int, numbers)
            read.append(Line(kind, op, pid, at_ns, attempt, deliveries, job))
        return read

    def of(self, kind: str, op: int | None = None, *, after_ns: int = 0) -> list[Line]:
        """The lines of one kind, of one operation, after a moment."""
        return [
            line
            for line in self.lines()
            if line.kind == kind and (op is None or line.op == op) and line.at_ns > after_ns
        ]

    def running(self) -> list[Line]:
        """The starts that have not ended yet in the process that wrote them, the oldest first."""
        begun: dict[tuple[int, int], Line] = {}
        for line in self.lines():
            if line.kind == STARTED:
                begun[line.op, line.pid] = line
            else:
                begun.pop((line.op, line.pid), None)
        return list(begun.values())

    @contextlib.contextmanager
    def attempt(self, op: int, attempt: int = 1, deliveries: int = 0, job: str = "-") -> Iterator[None]:
        """Note the start and, unless the block raises, the end."""
        self.note(STARTED, op, attempt, deliveries, job)
        yield
        self.note(ENDED, op, attempt, deliveries, job)

    def close(self) -> None:
        """Write no more."""
        os.close(self._fd)
