"""Where the socket lies, and who could have got at it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heijunka.errors import ServerNotStarted
from heijunka.server.place import Place
from heijunka.server.rendezvous import LONGEST_PATH, _first_safe, choose_socket, socket_url, unsafe

ME = os.geteuid()
as_root = pytest.mark.skipif(ME != 0, reason="gives a directory to another user")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An instance whose own directory has too long a path for a socket."""
    return Place(tmp_path / ("deep" * 30))


def test_the_socket_lies_in_the_users_runtime_directory(place: Place, runtime: Path) -> None:
    path = choose_socket(place, {"XDG_RUNTIME_DIR": str(runtime)})

    assert runtime / "heijunka" == path.parent
    assert 0o700 == path.parent.stat().st_mode & 0o777
    assert len(os.fsencode(path)) <= LONGEST_PATH


def test_without_a_runtime_directory_it_lies_in_the_temporary_one(place: Place, runtime: Path) -> None:
    path = choose_socket(place, {"TMPDIR": str(runtime)})

    assert runtime / f"heijunka-{ME}" == path.parent
    assert 0o700 == path.parent.stat().st_mode & 0o777


def test_an_instance_keeps_its_socket_and_shares_it_with_no_other(place: Place, tmp_path: Path, runtime: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(runtime)}

    first, again, other = (choose_socket(one, environ) for one in (place, place, Place(tmp_path)))

    assert first == again
    assert first != other


def test_a_directory_with_too_long_a_path_is_passed_over(place: Place, tmp_path: Path, runtime: Path) -> None:
    deep = tmp_path / ("x" * LONGEST_PATH)
    deep.mkdir()

    path = choose_socket(place, {"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(runtime)})

    assert runtime / f"heijunka-{ME}" == path.parent


def test_a_runtime_directory_that_is_gone_is_passed_over(place: Place, runtime: Path) -> None:
    path = choose_socket(place, {"XDG_RUNTIME_DIR": str(runtime / "gone"), "TMPDIR": str(runtime)})

    assert runtime / f"heijunka-{ME}" == path.parent


def test_a_link_where_the_directory_should_be_is_not_followed(runtime: Path) -> None:
    (runtime / "elsewhere").mkdir()
    (runtime / "heijunka").symlink_to(runtime / "elsewhere")

    assert "is a link or no directory" == unsafe(runtime / "heijunka")


def test_a_dangling_link_is_not_followed_either(runtime: Path) -> None:
    (runtime / "heijunka").symlink_to(runtime / "nothing")

    assert "is a link or no directory" == unsafe(runtime / "heijunka")
    assert not (runtime / "nothing").exists()


@as_root
def test_a_directory_of_another_user_is_not_used(runtime: Path) -> None:
    (runtime / "heijunka").mkdir(mode=0o700)
    os.chown(runtime / "heijunka", 12_345, 12_345)

    assert "belongs to another user (uid 12345)" == unsafe(runtime / "heijunka")


@as_root
def test_a_runtime_directory_kept_from_another_user_is_not_written_to(runtime: Path) -> None:
    os.chown(runtime, 12_345, 12_345)

    assert "lies in a directory of another user (uid 12345)" == unsafe(runtime / "heijunka")
    assert [] == list(runtime.iterdir())


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o777, "lies in a directory where others may replace it"), (0o1777, None), (0o755, None)]
)
def test_a_parent_where_others_may_replace_the_directory_is_not_used(
    runtime: Path, mode: int, expected: str | None
) -> None:
    runtime.chmod(mode)

    assert expected == unsafe(runtime / "heijunka")


def test_a_directory_of_ours_that_is_open_to_others_is_closed(runtime: Path) -> None:
    (runtime / "heijunka").mkdir()
    (runtime / "heijunka").chmod(0o777)

    assert unsafe(runtime / "heijunka") is None

    assert 0o700 == (runtime / "heijunka").stat().st_mode & 0o777


def test_with_no_safe_place_the_error_says_why_each_does_not_do(runtime: Path) -> None:
    (runtime / "link").symlink_to(runtime)
    long = runtime / ("x" * LONGEST_PATH)

    with pytest.raises(ServerNotStarted) as caught:
        _first_safe([runtime / "link", long], "a.sock")

    size = len(os.fsencode(long / "a.sock"))
    assert (
        f"there is no safe place for the server's socket: {runtime}/link is a link or no directory; "
        f"{long} makes a path of {size} bytes, more than {LONGEST_PATH}"
    ) == str(caught.value)


def test_a_url_survives_odd_characters() -> None:
    assert "unix:///run/a%20b%25%3F%23.sock" == socket_url(Path("/run/a b%?#.sock"))
