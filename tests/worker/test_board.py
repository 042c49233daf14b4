"""The board: whatever moment its writer dies at, its reader is not told a wrong job."""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.errors import WorkerError
from heijunka.worker import board as module
from heijunka.worker.board import Board, Running
from tests.fixtures.waiting import wait_until

JOB = bytes(range(16))
ENTRY = b"1700000000000-7"
ROOT = Path(__file__).parents[2]

stream_ids = st.builds(
    lambda ms, sequence: f"{ms}-{sequence}".encode(), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)
)
attempts = st.builds(
    Running,
    slot=st.just(0),
    source=st.integers(1, 7),
    entry=stream_ids,
    job=st.binary(min_size=16, max_size=16),
    since_ns=st.integers(0, 2**63),
    limit_ms=st.integers(0, 10**12),
    task=st.integers(0, 2**16 - 1),
)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board.create(str(tmp_path / "w1.board"), slots=3)


def begin(board: Board, attempt: Running) -> None:
    board.begin(
        attempt.slot, attempt.source, attempt.entry, attempt.job, attempt.limit_ms, attempt.since_ns, attempt.task
    )


def test_a_reader_in_another_mapping_sees_what_runs(board: Board) -> None:
    reader = Board.open(board.path)
    first = Running(0, 3, ENTRY, JOB, since_ns=1_000, limit_ms=30_000)
    second = Running(2, 7, b"18446744073709551615-18446744073709551615", JOB[::-1], since_ns=2_000, limit_ms=0)

    begin(board, first)
    begin(board, second)

    assert [first, second] == reader.running()
    assert (3, 0) == (reader.slots, reader.ended)


def test_attempts_are_described_by_the_tasks_that_the_worker_named(board: Board) -> None:
    board.name_tasks(["charge", "refund"])
    reader = Board.open(board.path)

    described = [reader.describe(Running(0, 3, ENTRY, JOB, 0, 0, task)) for task in (0, 1, 2, 3)]

    job = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert [f"job {job}", f"charge {job}", f"refund {job}", f"job {job}"] == described
    assert [] == reader.running()


def test_an_attempt_is_described_without_its_task_when_nobody_named_any(board: Board) -> None:
    assert board.describe(Running(0, 3, ENTRY, JOB, 0, 0, 1)).startswith("job 0001")


def test_a_slot_is_idle_after_its_attempt_ended_and_adds_up_how_long_it_was_busy(board: Board) -> None:
    for slot, busy_ns in ((0, 500), (0, 700), (1, 40)):
        board.begin(slot, 3, ENTRY, JOB, 30_000, 1_000)
        board.end(slot, busy_ns)
    board.begin(1, 3, ENTRY, JOB, 30_000, 10_000)

    assert [1] == [attempt.slot for attempt in board.running()]
    assert 3 == board.ended
    assert 500 + 700 + 40 + 2_000 == board.busy_ns(now_ns=12_000)


def test_a_worker_reads_what_its_supervisor_wishes(board: Board) -> None:
    theirs = Board.open(board.path)
    seen = [theirs.quiet_wished]
    for quiet in (True, True, False):
        board.wish_quiet(quiet=quiet)
        seen.append(theirs.quiet_wished)
    theirs.close()

    assert [False, True, True, False] == seen


def test_a_fresh_board_shows_nothing_and_nobody(board: Board) -> None:
    assert ([], 0, 0, 0, False) == (board.running(), board.ended, board.busy_ns(1), board.pid, board.joined)

    board.mark_pid(4711)
    board.mark_joined()

    assert (4711, True) == (board.pid, board.joined)


@pytest.mark.parametrize(
    ("limit_ms", "now_ns", "overdue"),
    [(0, 10**15, False), (30, 30_000_000 + 5, False), (30, 30_000_000 + 6, True), (30, 5, False)],
)
def test_an_attempt_is_overdue_when_it_ran_longer_than_its_limit(limit_ms: int, now_ns: int, overdue: bool) -> None:
    attempt = Running(0, 3, ENTRY, JOB, since_ns=5, limit_ms=limit_ms)

    assert overdue == attempt.overdue(now_ns)


@given(before=st.lists(attempts, max_size=3), during=attempts, cleared=st.booleans(), data=st.data())
def test_a_begin_that_is_cut_off_anywhere_shows_the_new_attempt_or_none(
    tmp_path_factory: pytest.TempPathFactory, before: list[Running], during: Running, cleared: bool, data: st.DataObject
) -> None:
    """A write may be cut off after any byte, and the writer's library may have cleared the record first."""
    board = Board.create(str(tmp_path_factory.mktemp("torn") / "b"), slots=1)
    for attempt in before:
        begin(board, attempt)
        board.end(0, 1)
    at, size = module._SLOTS_AT, module._BEGIN.size
    old = bytes(board._memory[at : at + size])
    begin(board, during)
    new = bytes(board._memory[at : at + size])

    cut = data.draw(st.integers(0, size))
    board._memory[at : at + size] = new[:cut] + (bytes(size) if cleared else old)[cut:]

    assert board.running() in ([], [during])
    if cut == size:
        assert [during] == board.running()


@given(done=st.lists(attempts, min_size=1, max_size=4), cleared=st.booleans(), data=st.data())
def test_an_end_that_is_cut_off_anywhere_shows_the_attempt_that_ends_or_none(
    tmp_path_factory: pytest.TempPathFactory, done: list[Running], cleared: bool, data: st.DataObject
) -> None:
    board = Board.create(str(tmp_path_factory.mktemp("torn") / "b"), slots=1)
    for attempt in done[:-1]:
        begin(board, attempt)
        board.end(0, 1)
    begin(board, done[-1])
    at, size = module._SLOTS_AT + module._END_AT, module._END.size
    old = bytes(board._memory[at : at + size])
    board.end(0, 1)
    new = bytes(board._memory[at : at + size])

    cut = data.draw(st.integers(0, size))
    board._memory[at : at + size] = new[:cut] + (bytes(size) if cleared else old)[cut:]

    assert board.running() in ([], [done[-1]])
    if cut == size:
        assert [] == board.running()


@contextlib.contextmanager
def writer(path: str) -> Iterator[None]:
    """A process that writes the board (see board_writer) and is killed in the middle of it."""
    script = Path(__file__).with_name("board_writer.py")
    with subprocess.Popen([sys.executable, str(script), path], env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        yield
        process.kill()


def parts(attempt: Running) -> tuple[int, bytes, bytes, int]:
    return attempt.source, attempt.entry, attempt.job, attempt.limit_ms


def parts_of(number: int) -> tuple[int, bytes, bytes, int]:
    return number % 7 + 1, f"{number}-{number}".encode(), number.to_bytes(16), number


def test_a_writer_killed_in_the_middle_of_its_work_leaves_an_attempt_it_really_began(tmp_path: Path) -> None:
    for turn in range(8):
        board = Board.create(str(tmp_path / f"{turn}"), slots=1)
        with writer(board.path):
            wait_until(board.running)

        for attempt in board.running():
            assert parts_of(attempt.since_ns) == parts(attempt)


def test_a_live_board_is_read_whole_while_it_is_written(tmp_path: Path) -> None:
    board = Board.create(str(tmp_path / "b"), slots=1)
    ended = [0]
    seen: list[Running] = []
    with writer(board.path):
        wait_until(board.running)
        while len(seen) < 2_000:
            seen += board.running()
            ended.append(board.ended)

    assert [parts_of(attempt.since_ns) for attempt in seen] == [parts(attempt) for attempt in seen]
    assert sorted(ended) == ended


class Flickering(mmap.mmap):
    """Memory that shows a mixture of two states at the first look."""

    mixture: bytes | None = None

    def __getitem__(self, at: Any) -> Any:
        mixture, self.mixture = self.mixture, None
        return mixture if mixture is not None else super().__getitem__(at)


def test_a_mixture_that_looks_whole_is_not_believed_at_the_first_look(board: Board) -> None:
    """The memory is copied while it is written: its ends may match although its middle is of another attempt."""
    begin(board, Running(0, 3, ENTRY, JOB, since_ns=1, limit_ms=2))
    right = board.running()
    with Path(board.path).open("r+b") as file:
        memory = Flickering(file.fileno(), 0)
    at = module._SLOTS_AT
    memory.mixture = memory[at : at + module._RECORD.size].replace(JOB, bytes(16))

    assert right == Board(board.path, memory).running()


def test_a_file_that_is_no_board_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"short", b"not a board".ljust(500, b"\0"), b"hjboard1".ljust(64, b"\xff").ljust(192, b"\0")):
        path = tmp_path / "other"
        path.write_bytes(content)

        with pytest.raises(WorkerError, match="no board"):
            Board.open(str(path))


def test_a_board_is_its_owners_alone_and_is_not_made_over_another(tmp_path: Path) -> None:
    board = Board.create(str(tmp_path / "b"), slots=2)

    assert 0o600 == Path(board.path).stat().st_mode & 0o777
    with pytest.raises(FileExistsError):
        Board.create(board.path, slots=2)
