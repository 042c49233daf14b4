"""What a worker is doing, in memory that its supervisor shares.

One small file per worker, mapped by both. The worker writes, without locks or system calls; the supervisor
reads it at any moment, also after the worker was killed in the middle of a write. So a record proves
itself: an attempt's number is written before everything else and once more after it, and a slot runs
that attempt only if both agree and its end has not been written.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from struct import Struct
from typing import Final, Self

import msgspec

from heijunka.errors import WorkerError
from heijunka.wire import id_text

MAGIC: Final = b"hjboard2"

_HEADER: Final = Struct("@8sQQQ")  # magic, slots, pid, joined
_PID: Final = Struct("@Q")
_PID_AT, _JOINED_AT, _QUIET_AT, _RETIRE_AT, _RETIRING_AT, _BREAKER_AT = 16, 24, 32, 40, 48, 56
_SLOTS_AT: Final = 64
_SLOT: Final = 128

# Native byte order and alignment: each number is stored whole, in this order.
_BEGIN: Final = Struct("@QQQ16sB45pHQ")  # number, since, limit, job, source, entry, task, number
_END: Final = Struct("@QQ")  # busy, number
_END_AT: Final = _BEGIN.size
_RECORD: Final = Struct("@QQQ16sB45pHQQQ")


class Running(msgspec.Struct, frozen=True):
    """An attempt under way.

    Attributes:
        slot: where, from 0.
        source: place of its stream among the domain's sources, from 1.
        entry: id of its stream entry.
        job: its id, 16 bytes.
        since_ns: when it began, by CLOCK_MONOTONIC.
        limit_ms: how long it may run; 0 for as long as it likes.
        task: number of its task among those that the worker named, from 1; 0 for one that nobody named.
    """

    slot: int
    source: int
    entry: bytes
    job: bytes
    since_ns: int
    limit_ms: int
    task: int = 0

    def overdue(self, now_ns: int) -> bool:
        """Whether it has run longer than it may."""
        return self.limit_ms > 0 and now_ns - self.since_ns > self.limit_ms * 1_000_000


class Board:
    """The board of one worker.

    The worker calls `begin` and `end` around every attempt; a slot belongs to one thread. A board is
    written by one process in its whole life, but for one word that is its supervisor's (`wish_quiet`).

    Parameters:
        path: of its file.
        memory: the file, mapped.

    Raises:
        WorkerError: the file is no board.

    Example:
        >>> board = Board.create("/dev/shm/w1.board", slots=1)  # doctest: +SKIP
        >>> board.begin(0, 3, b"1700000000000-0", job.id, 30_000, time.monotonic_ns())  # doctest: +SKIP
        >>> board.running()[0].entry  # doctest: +SKIP
        b'1700000000000-0'
    """

    __slots__ = ("_begun", "_busy", "_held", "_memory", "_seen", "_write_begin", "_write_end", "path", "slots")

    def __init__(self, path: str, memory: mmap.mmap) -> None:
        magic, slots, _, _ = _HEADER.unpack_from(memory)
        if magic != MAGIC or len(memory) < _size(slots):
            raise WorkerError(f"{path} is no board of this version")
        self.path, self.slots, self._memory = path, int(slots), memory
        self._begun, self._busy = [0] * self.slots, [0] * self.slots
        self._seen = [(0, 0)] * self.slots
        self._write_begin = partial(_BEGIN.pack_into, memory)
        self._write_end = partial(_END.pack_into, memory)

    @classmethod
    def create(cls, path: str, slots: int) -> Self:
        """A new board for a worker with `slots` slots.

        Raises:
            OSError: the file exists, or there is no room for it.
        """
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            # Written, not truncated: a full file system is an error here instead of SIGBUS at an attempt.
            os.write(fd, _HEADER.pack(MAGIC, slots, 0, 0).ljust(_size(slots), b"\0"))
            return cls(path, mmap.mmap(fd, _size(slots)))
        finally:
            os.close(fd)

    @classmethod
    def open(cls, path: str) -> Self:
        """The board that is at `path`.

        Raises:
            OSError: there is none.
            WorkerError: it is no board.
        """
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if size < _size(1):
                raise WorkerError(f"{path} is no board of this version")
            return cls(path, mmap.mmap(fd, size))
        finally:
            os.close(fd)

    # -- the worker's side ----------------------------------------------------------------------

    def begin(  # noqa: PLR0917 - once per job: naming the arguments would cost a tenth of a microsecond
        self, slot: int, source: int, entry: bytes, job: bytes, limit_ms: int, since_ns: int, task: int = 0
    ) -> None:
        """An attempt begins in `slot`; see `Running` for the rest. Called before the task is."""
        self._begun[slot] = number = self._begun[slot] + 1
        self._write_begin(_SLOTS_AT + slot * _SLOT, number, since_ns, limit_ms, job, source, entry, task, number)

    def end(self, slot: int, busy_ns: int) -> None:
        """The attempt in `slot` ended after `busy_ns`."""
        self._busy[slot] = total = self._busy[slot] + busy_ns
        self._write_end(_SLOTS_AT + _END_AT + slot * _SLOT, total, self._begun[slot])

    def name_tasks(self, names: Sequence[str]) -> None:
        """Say which tasks the numbers mean that `begin` is given: the first name is number 1. Once, before `begin`."""
        with contextlib.suppress(OSError), Path(self.path).open("ab") as file:  # people can do without
            file.write("\n".join(names).encode())

    def hold(self) -> None:
        """Lock the file for as long as this process lives: whoever finds it unlocked knows that the worker is dead.

        Raises:
            OSError: somebody took the worker for dead already.
        """
        self._held = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)  # never closed: the kernel does it at our end
        fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(self._held).st_nlink == 0:
            raise FileNotFoundError(f"{self.path} was taken away")

    def is_held(self) -> bool:
        """Whether the worker lives, or a process does that it forked."""
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def mark_pid(self, pid: int) -> None:
        """The worker's process is there."""
        _PID.pack_into(self._memory, _PID_AT, pid)

    def mark_joined(self) -> None:
        """The worker is registered with Redis and about to pull: from now on it counts as up."""
        _PID.pack_into(self._memory, _JOINED_AT, 1)

    @property
    def quiet_wished(self) -> bool:
        """Whether the supervisor wants the worker to pull no more."""
        return bool(_PID.unpack_from(self._memory, _QUIET_AT)[0])

    @property
    def retirement_wished(self) -> bool:
        """Whether the supervisor wants the worker to end when it has finished what it runs."""
        return bool(_PID.unpack_from(self._memory, _RETIRE_AT)[0])

    def mark_retiring(self) -> None:
        """The worker pulls no more and ends when it has finished what it runs: a successor may start."""
        _PID.pack_into(self._memory, _RETIRING_AT, 1)

    def mark_breaker(self, word: int) -> None:
        """How the worker's breaker is: 0 closed, 1 open, 2 half-open."""
        _PID.pack_into(self._memory, _BREAKER_AT, word)

    # -- the supervisor's side ------------------------------------------------------------------

    @property
    def broken(self) -> bool:
        """Whether the worker's breaker is not closed."""
        return bool(_PID.unpack_from(self._memory, _BREAKER_AT)[0])

    def wish_retirement(self) -> None:
        """Say that the worker should end when it has finished what it runs; a signal tells it to look."""
        _PID.pack_into(self._memory, _RETIRE_AT, 1)

    @property
    def retiring(self) -> bool:
        """Whether the worker pulls no more because its time has come."""
        return bool(_PID.unpack_from(self._memory, _RETIRING_AT)[0])

    def wish_quiet(self, *, quiet: bool) -> None:
        """Say whether the worker should pull no more; a signal tells it to look.

        The signal alone would not do: Python handles those that came together in the order of their numbers.
        """
        _PID.pack_into(self._memory, _QUIET_AT, quiet)

    @property
    def pid(self) -> int:
        """The worker's process; 0 before it is there."""
        pid: int = _PID.unpack_from(self._memory, _PID_AT)[0]
        return pid

    @property
    def joined(self) -> bool:
        """Whether the worker got as far as pulling jobs."""
        return bool(_PID.unpack_from(self._memory, _JOINED_AT)[0])

    @property
    def ended(self) -> int:
        """How many attempts have ended."""
        return sum(self._totals(slot, self._record(slot))[1] for slot in range(self.slots))

    def describe(self, attempt: Running) -> str:
        """The task and the job of an attempt, as people see them."""
        with contextlib.suppress(OSError, IndexError):
            names = Path(self.path).read_bytes()[_size(self.slots) :].decode().split("\n")
            if attempt.task and names[attempt.task - 1]:
                return f"{names[attempt.task - 1]} {id_text(attempt.job)}"
        return f"job {id_text(attempt.job)}"

    def running(self) -> list[Running]:
        """The attempts that have begun and not ended."""
        return [running for slot in range(self.slots) if (running := _running(slot, self._record(slot)))]

    def busy_ns(self, now_ns: int) -> int:
        """How long all slots together have been running attempts, those under way included."""
        total = 0
        for slot in range(self.slots):
            record = self._record(slot)
            total += self._totals(slot, record)[0]
            if under_way := _running(slot, record):
                total += max(0, now_ns - under_way.since_ns)
        return total

    def close(self) -> None:
        """Unmap it. The file stays."""
        self._memory.close()

    def _totals(self, slot: int, record: bytes) -> tuple[int, int]:
        """A slot's busy time and ended attempts; they only grow, but while they are written they may read as 0."""
        *_, busy, ended = _RECORD.unpack(record)
        self._seen[slot] = max(self._seen[slot], (ended, busy))
        return self._seen[slot][1], self._seen[slot][0]

    def _record(self, slot: int) -> bytes:
        """A slot's record as it was at one moment, although its writer does not wait for us."""
        at = _SLOTS_AT + slot * _SLOT
        record = self._memory[at : at + _RECORD.size]
        for _ in range(8):
            again = self._memory[at : at + _RECORD.size]
            if again == record:
                break
            record = again
        return record


def _running(slot: int, record: bytes) -> Running | None:
    number, since, limit, job, source, entry, task, proof, _, ended = _RECORD.unpack(record)
    if number != proof or number <= ended:
        return None
    return Running(slot, source, entry, job, since, limit, task)


def _size(slots: int) -> int:
    return _SLOTS_AT + slots * _SLOT
