"""The private directory of a supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from heijunka.errors import WorkerError
from heijunka.worker.runtime import RuntimeDir


def test_the_directory_is_private_and_gone_with_its_supervisor(tmp_path: Path) -> None:
    root = tmp_path / "root"

    with RuntimeDir("s1", root=root) as runtime:
        (runtime.path / "w1.board").write_bytes(b"x")
        assert [0o700, 0o700] == [path.stat().st_mode & 0o777 for path in (root, runtime.path)]

    assert [] == list(root.iterdir())


def test_what_a_killed_supervisor_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    left = tmp_path / "killed"
    left.mkdir()
    (left / "w1.board").write_bytes(b"x")

    with RuntimeDir("living", root=tmp_path) as living, RuntimeDir("next", root=tmp_path) as new:
        assert {living.path, new.path} == set(tmp_path.iterdir())


def test_a_place_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    with pytest.raises(WorkerError, match="not ours alone"):
        RuntimeDir("s1", root=tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "root").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(WorkerError, match="not ours alone"):
        RuntimeDir("s1", root=tmp_path / "root")
