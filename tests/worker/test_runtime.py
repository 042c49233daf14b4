"""The private directory of a supervisor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heijunka.errors import WorkerError
from heijunka.worker.runtime import FOUND, RuntimeDir


def test_the_directory_is_private_and_gone_with_its_supervisor(tmp_path: Path) -> None:
    root = tmp_path / "root"

    with RuntimeDir("s1", root=root) as runtime:
        runtime.declare("shop")
        assert [0o700, 0o700] == [path.stat().st_mode & 0o777 for path in (root, runtime.path)]

    assert [] == list(root.iterdir())


def test_boards_of_workers_whose_jobs_are_not_given_back_outlive_their_supervisor(tmp_path: Path) -> None:
    with RuntimeDir("s1", root=tmp_path) as runtime:
        for worker in ("w1", "w2"):
            runtime.board(worker).write_bytes(b"x")
        runtime.discard("w1")

    assert [tmp_path / "s1" / "w2.board"] == list(tmp_path.glob("*/*"))


def test_a_new_supervisor_removes_what_nobody_can_inherit_and_nothing_of_the_living(tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    waits, late = tmp_path / "waits", tmp_path / "late"
    for left in (waits, late):
        left.mkdir()
        (left / "w1.board").write_bytes(b"x")
    (late / FOUND).touch()
    os.utime(late / FOUND, (0, 0))

    with RuntimeDir("living", root=tmp_path) as living, RuntimeDir("next", root=tmp_path) as new:
        assert {living.path, new.path, waits} == set(tmp_path.iterdir())


def test_a_place_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    with pytest.raises(WorkerError, match="not ours alone"):
        RuntimeDir("s1", root=tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "root").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(WorkerError, match="not ours alone"):
        RuntimeDir("s1", root=tmp_path / "root")
