"""Locks that end with their holder, forks included."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from heijunka.errors import ServerNotStarted
from heijunka.server.lock import is_locked, through, try_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


@pytest.fixture
def children() -> Iterator[list[int]]:
    """Processes to end behind the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def fork_one_that_waits(children: list[int]) -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    children.append(pid)


def test_an_exclusive_lock_admits_nobody_else(path: Path) -> None:
    held = try_lock(path)

    assert held is not None
    assert try_lock(path) is None
    assert try_lock(path, shared=True) is None
    assert is_locked(path)

    held.unlock()
    assert not is_locked(path)


def test_a_shared_lock_admits_others_who_share(path: Path) -> None:
    first, second = try_lock(path, shared=True), try_lock(path, shared=True)

    assert first is not None
    assert second is not None
    assert try_lock(path) is None

    first.unlock()
    assert try_lock(path) is None
    second.unlock()
    assert try_lock(path) is not None


def test_looking_at_a_lock_does_not_create_it(path: Path) -> None:
    assert not is_locked(path)
    assert not path.exists()


def test_a_link_is_not_locked(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "target")

    with pytest.raises(OSError, match=r"symbolic links|Too many"):
        try_lock(path)

    assert not (tmp_path / "target").exists()


def test_a_fork_keeps_a_lock_that_its_parent_forgets(path: Path, children: list[int]) -> None:
    """The lock speaks for the whole family."""
    held = try_lock(path)
    assert held is not None
    fork_one_that_waits(children)

    held.forget()

    assert is_locked(path)


def test_to_unlock_ends_the_lock_of_forks_too(path: Path, children: list[int]) -> None:
    held = try_lock(path)
    assert held is not None
    fork_one_that_waits(children)

    held.unlock()

    assert not is_locked(path)


def test_a_fork_does_not_prolong_a_passing_lock(path: Path, children: list[int]) -> None:
    held = try_lock(path, passing=True)
    assert held is not None
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"up")
        signal.pause()
        os._exit(0)
    children.append(pid)
    assert b"up" == os.read(reader, 2)
    os.close(reader)
    os.close(writer)

    held.forget()

    assert not is_locked(path)


def test_a_fork_that_forgets_a_passing_lock_closes_no_file_of_its_own(path: Path, tmp_path: Path) -> None:
    """Its copy was closed in the fork, and the number may be another file's by then."""
    held = try_lock(path, passing=True)
    assert held is not None
    pid = os.fork()
    if pid == 0:
        try:
            os.fstat(held.descriptor)
        except OSError:
            os.dup2(os.open(tmp_path, os.O_RDONLY), held.descriptor)
            reused = held.descriptor
            held.forget()
            os.fstat(reused)
            os._exit(0)
        os._exit(1)  # the copy was not closed

    _, status = os.waitpid(pid, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    assert is_locked(path)
    held.unlock()


def test_only_one_thread_is_inside_a_gate(path: Path) -> None:
    """The gate needs no lock of threads beside it."""
    inside: list[int] = []
    most = 0

    def enter() -> None:
        nonlocal most
        for _ in range(20):
            with through(path, patience_s=30):
                inside.append(1)
                most = max(most, len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == most
    assert not is_locked(path)


def test_a_gate_that_stays_closed_is_an_error_that_names_who_is_inside(path: Path) -> None:
    with (
        through(path, patience_s=0),
        pytest.raises(ServerNotStarted, match=f"process {os.getpid()} has been starting or stopping"),
        through(path, patience_s=0),
    ):
        pytest.fail("two are inside")


def test_a_gate_opens_when_what_is_inside_fails(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), through(path, patience_s=0):
        raise ZeroDivisionError

    assert not is_locked(path)
