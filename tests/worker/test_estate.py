"""What dead supervisors leave on a host: boards, read once, by one heir, and only when their workers are dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heijunka.worker.board import Board
from heijunka.worker.estate import Estates, owner_of
from heijunka.worker.runtime import RuntimeDir

OWNER = owner_of("shop", "redis://localhost")
SUPERVISOR = "host-1a2b"

HOLD = """
import sys
from heijunka.worker.board import Board
board = Board.open(sys.argv[1])
board.hold()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def left(tmp_path: Path) -> RuntimeDir:
    """What a supervisor left that was killed: its lock is gone, its boards are not."""
    runtime = RuntimeDir(SUPERVISOR, root=tmp_path)
    runtime.declare(OWNER)
    return runtime


@pytest.fixture
def estates(tmp_path: Path) -> Estates:
    return Estates(tmp_path, OWNER)


def board(runtime: RuntimeDir, worker: str, *entries: bytes) -> str:
    """The board of a worker that was running these."""
    path = str(runtime.board(worker))
    shown = Board.create(path, max(1, len(entries)))
    for slot, entry in enumerate(entries):
        shown.begin(slot, 3, entry, bytes(16), 0, 1)
    shown.close()
    return path


def killed(runtime: RuntimeDir) -> None:
    """What the kernel does for a process that was killed."""
    os.close(runtime._fd)


def test_what_was_running_is_charged_and_what_is_settled_is_not_found_again(left: RuntimeDir, estates: Estates) -> None:
    for worker, entries in (("payment-1-1", (b"1-0", b"2-0")), ("payment-2-7", ())):
        board(left, f"{SUPERVISOR}-{worker}", *entries)
    killed(left)

    found = []
    for death in estates.deaths(["payment"]):
        found.append((death.domain, death.worker, death.charged))
        estates.settle(death)

    first, second = f"{SUPERVISOR}-payment-1-1", f"{SUPERVISOR}-payment-2-7"
    assert [("payment", first, ((3, "1-0"), (3, "2-0"))), ("payment", second, ())] == found
    assert not left.path.exists()
    assert [] == list(estates.deaths(["payment"]))


def test_what_could_not_be_given_back_is_found_again(left: RuntimeDir, estates: Estates) -> None:
    board(left, f"{SUPERVISOR}-payment-1-1", b"1-0")
    killed(left)

    first, second = (next(iter(estates.deaths(["payment"]))) for _ in range(2))

    assert first.charged == second.charged == ((3, "1-0"),)


def test_a_living_supervisor_has_no_heir(left: RuntimeDir, estates: Estates) -> None:
    board(left, f"{SUPERVISOR}-payment-1-1", b"1-0")

    assert [] == list(estates.deaths(["payment"]))


def test_one_heir_at_a_time(left: RuntimeDir, estates: Estates, tmp_path: Path) -> None:
    board(left, f"{SUPERVISOR}-payment-1-1", b"1-0")
    killed(left)

    for _ in estates.deaths(["payment"]):
        assert [] == list(Estates(tmp_path, OWNER).deaths(["payment"]))


def test_a_worker_that_still_lives_is_waited_for(left: RuntimeDir, estates: Estates) -> None:
    path = board(left, f"{SUPERVISOR}-payment-1-1", b"1-0")
    killed(left)
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert b"held\n" == worker.stdout.readline()

        assert ([], True) == (list(estates.deaths(["payment"])), estates.unsettled)
        worker.kill()

    assert ([((3, "1-0"),)], False) == ([death.charged for death in estates.deaths(["payment"])], estates.unsettled)


def test_a_worker_that_was_taken_for_dead_does_not_begin(left: RuntimeDir) -> None:
    shown = Board.open(board(left, "w1"))
    left.discard("w1")

    with pytest.raises(FileNotFoundError):
        shown.hold()


@pytest.mark.parametrize(
    ("namespace", "url"), [("other", "redis://localhost"), ("shop", "redis://elsewhere")], ids=["namespace", "redis"]
)
def test_other_applications_and_other_servers_are_left_alone(
    left: RuntimeDir, tmp_path: Path, namespace: str, url: str
) -> None:
    path = board(left, f"{SUPERVISOR}-payment-1-1", b"1-0")
    killed(left)

    assert [] == list(Estates(tmp_path, owner_of(namespace, url)).deaths(["payment"]))
    assert Path(path).exists()


def test_domains_that_are_not_served_are_left_for_who_serves_them(left: RuntimeDir, estates: Estates) -> None:
    board(left, f"{SUPERVISOR}-card-fraud-1-1", b"1-0")
    killed(left)

    assert [] == list(estates.deaths(["payment", "card"]))
    assert ["card-fraud"] == [death.domain for death in estates.deaths(["payment", "card-fraud"])]


def test_a_board_of_another_version_is_removed(left: RuntimeDir, estates: Estates) -> None:
    left.board(f"{SUPERVISOR}-payment-1-1").write_bytes(b"hjboard0".ljust(4096))
    killed(left)

    assert [] == list(estates.deaths(["payment"]))
    assert not left.path.exists()


def test_who_owns_boards_does_not_tell_passwords(left: RuntimeDir) -> None:
    owner = owner_of("shop", "redis://:s3cret@localhost")

    assert owner == owner_of("shop", "redis://:s3cret@localhost") != owner_of("shop", "redis://localhost")
    assert "s3cret" not in owner
