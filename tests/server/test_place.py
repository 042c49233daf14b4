"""Where an instance keeps its data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from heijunka.errors import InvalidName, ServerNotStarted
from heijunka.server import EmbeddedServer, state_directory
from heijunka.server.place import find_place, make_place

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has a place of its own")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HEIJUNKA_STATE_DIR": "/var/hj", "XDG_STATE_HOME": "/xdg", "HOME": "/home/a"}, "/var/hj"),
        ({"XDG_STATE_HOME": "/xdg", "HOME": "/home/a"}, "/xdg/heijunka"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/state/heijunka"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/heijunka"),
    ],
)
def test_the_state_directory_follows_the_environment(environ: dict[str, str], expected: str) -> None:
    assert Path(expected) == state_directory(environ)


def test_instances_have_directories_of_their_own(tmp_path: Path) -> None:
    environ = {"HEIJUNKA_STATE_DIR": str(tmp_path)}

    assert tmp_path / "server" / "default" == EmbeddedServer(environ=environ).directory
    assert tmp_path / "server" / "blue" == EmbeddedServer("blue", environ=environ).directory


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a" * 65, "a\n"])
def test_a_name_that_could_leave_the_state_directory_is_an_error(name: str) -> None:
    with pytest.raises(InvalidName):
        EmbeddedServer(name)


def test_one_directory_spelt_in_two_ways_is_one_instance(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert find_place("", tmp_path / "real", {}) == find_place("", tmp_path / "link", {})


def test_a_new_directory_is_closed_to_others(tmp_path: Path) -> None:
    place = find_place("default", None, {"HEIJUNKA_STATE_DIR": str(tmp_path / "state")})

    make_place(place)

    assert 0o700 == place.directory.stat().st_mode & 0o777


@as_root
def test_a_directory_of_another_user_is_left_alone(tmp_path: Path) -> None:
    place = find_place("", tmp_path / "theirs", {})
    place.directory.mkdir()
    os.chown(place.directory, 12_345, 12_345)

    with pytest.raises(ServerNotStarted, match=r"belongs to another user \(uid 12345\)"):
        make_place(place)

    assert [] == list(place.directory.iterdir())


@not_as_root
def test_a_directory_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(ServerNotStarted, match="Permission denied") as caught:
        make_place(find_place("", tmp_path / "new", {}))

    assert "HEIJUNKA_STATE_DIR" in (caught.value.hint or "")


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ServerNotStarted, match="cannot be used"):
        make_place(find_place("", tmp_path / "file" / "new", {}))
