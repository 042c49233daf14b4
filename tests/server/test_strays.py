"""Private servers whose users were killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis

from heijunka.server import EmbeddedServer
from tests.fixtures.waiting import wait_until
from tests.server.user import User

Environ = dict[str, str]
Users = Callable[..., User]
Driver = Callable[[str], redis.Redis]


def test_a_private_server_without_users_ends_when_the_next_server_starts(
    environ: Environ, users: Users, tmp_path: Path, driver: Driver
) -> None:
    stray = EmbeddedServer(directory=tmp_path / "stray", environ=environ)
    user = users(directory=tmp_path / "stray")
    driver(user.ask("acquire")).set("kept", 1)
    user.kill()
    assert "ready" == stray.status().state

    with EmbeddedServer(directory=tmp_path / "next", environ=environ):
        wait_until(lambda: not stray.status().running)

    with stray:
        assert "1" == driver(stray.url).get("kept")


def test_private_servers_in_use_or_kept_and_shared_ones_are_left_alone(
    environ: Environ, users: Users, tmp_path: Path
) -> None:
    used = EmbeddedServer(directory=tmp_path / "used", environ=environ)
    kept = EmbeddedServer(directory=tmp_path / "kept", environ=environ)
    shared = EmbeddedServer(environ=environ)
    users(directory=tmp_path / "used").ask("acquire")
    kept.start()
    killed = users()
    killed.ask("acquire")
    killed.kill()

    with EmbeddedServer(directory=tmp_path / "next", environ=environ):
        pass

    assert ["ready"] * 3 == [one.status().state for one in (used, kept, shared)]


def test_a_private_server_whose_directory_was_deleted_ends_too(
    environ: Environ, users: Users, tmp_path: Path, runtime: Path, driver: Driver
) -> None:
    user = users(directory=tmp_path / "stray")
    url = user.ask("acquire")
    user.kill()
    for path in sorted((tmp_path / "stray").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    with EmbeddedServer(directory=tmp_path / "next", environ=environ):
        wait_until(lambda: not Path(url.removeprefix("unix://")).exists())

    with EmbeddedServer(directory=tmp_path / "another", environ=environ) as another:
        left = {path.stem for path in (runtime / "heijunka").iterdir()}
        assert {Path(another.url).stem} == left


def test_a_stopped_private_server_leaves_nothing_beside_its_socket(
    environ: Environ, tmp_path: Path, runtime: Path
) -> None:
    with EmbeddedServer(directory=tmp_path / "private", environ=environ):
        assert 2 == len(list((runtime / "heijunka").iterdir()))

    assert [] == list((runtime / "heijunka").iterdir())
