"""Servers, starters and files that are not as they should be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from heijunka.errors import ServerError, ServerNotStarted
from heijunka.server import EmbeddedServer, find_binary, probe, process
from heijunka.server.lock import is_locked
from heijunka.server.place import Place
from tests.fixtures.waiting import wait_until
from tests.server.user import User

pytestmark = pytest.mark.faults

Environ = dict[str, str]
Users = Callable[..., User]
Driver = Callable[[str], redis.Redis]


def kill(server: EmbeddedServer, number: signal.Signals = signal.SIGKILL) -> int:
    """Signal a server; after SIGKILL wait until it is gone."""
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, number)
    if number is signal.SIGKILL:
        wait_until(lambda: not server.status().running)
    return pid


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that nobody has a reason to end."""
    process = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def wrapped(path: Path, environ: Environ, script: str) -> Environ:
    """An environment whose server is started by a script; in it, `$server` is the real one."""
    real = find_binary(environ).path
    path.write_text(f'#!/bin/sh\nserver={real}\n[ "$1" = --version ] && exec $server --version\n{script}\n')
    path.chmod(0o755)
    return {**environ, "HEIJUNKA_SERVER_BINARY": str(path)}


def test_a_server_that_died_is_replaced_and_its_data_is_there(server: EmbeddedServer, driver: Driver) -> None:
    url = server.acquire()
    driver(url).set("written", "once")
    died = kill(server)

    assert url == server.acquire()

    assert "once" == driver(url).get("written")
    assert died != server.status().pid
    server.release()
    assert not server.status().running


def test_a_server_that_died_under_several_users_comes_back_for_all_of_them(
    server: EmbeddedServer, users: Users, driver: Driver, runtime: Path
) -> None:
    """Whoever notices first brings it back at the URL the others have, whatever its own surroundings are."""
    (runtime / "cron").mkdir()
    first, second = users(), users(XDG_RUNTIME_DIR=str(runtime / "cron"))
    url = first.ask("acquire")
    second.ask("acquire")
    kill(server)

    assert url == second.ask("acquire")

    assert driver(url).ping()
    second.ask("release")
    assert "ready" == server.status().state
    first.ask("release")
    assert not server.status().running


def test_a_release_after_the_server_died_is_quiet(server: EmbeddedServer) -> None:
    server.acquire()
    kill(server)

    server.release()

    assert not server.status().running


def test_a_stale_pid_that_is_somebody_elses_by_now_is_left_alone(
    server: EmbeddedServer, bystander: subprocess.Popen[bytes]
) -> None:
    server.acquire()
    kill(server)
    (server.directory / "server.pid").write_text(str(bystander.pid))
    assert "stopped" == server.status().state

    server.release()
    with server:
        assert bystander.pid != server.status().pid
    server.stop(force=True)

    assert bystander.poll() is None


def test_garbage_in_every_file_of_ours_is_survived(server: EmbeddedServer, driver: Driver) -> None:
    with server:
        driver(server.url).set("kept", 1)
    for name in ("server.json", "server.pid", "gate.lock", "users.lock", "alive.lock", "users/999999999.7", "users/x"):
        (server.directory / name).write_bytes(b"\xff{garbage")

    with server:
        assert "1" == driver(server.url).get("kept")
        assert [os.getpid()] == [user.pid for user in server.status().users]


def test_a_socket_that_vanished_under_a_living_server_brings_a_new_one(
    server: EmbeddedServer, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a login's runtime directory is cleared behind it."""
    monkeypatch.setattr(process, "BINDS_WITHIN_S", 0.05)
    url = server.acquire()
    driver(url).set("kept", 1)
    lost = server.status().pid
    Path(url.removeprefix("unix://")).unlink()

    assert url == server.acquire()

    assert lost != server.status().pid
    assert "1" == driver(url).get("kept")
    server.release()
    assert not server.status().running


def test_a_frozen_server_without_users_is_replaced(
    server: EmbeddedServer, environ: Environ, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ANSWERS_WITHIN_S", 0.1)
    monkeypatch.setattr(process, "ENDS_WITHIN_S", 0.5)
    monkeypatch.setattr(probe, "ANSWERS_WITHIN_S", 0.1)
    user = users()
    user.ask("acquire")
    user.kill()
    frozen = kill(server, signal.SIGSTOP)
    assert "silent" == server.status().state

    with server:
        assert "ready" == server.status().state
        assert frozen != server.status().pid


def test_a_frozen_server_with_users_is_theirs_to_judge(
    server: EmbeddedServer, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ANSWERS_WITHIN_S", 0.1)
    monkeypatch.setattr(probe, "ANSWERS_WITHIN_S", 0.1)
    user = users()
    user.ask("acquire")
    frozen = kill(server, signal.SIGSTOP)

    with pytest.raises(ServerNotStarted, match="lives but does not answer"):
        server.acquire()

    assert ("silent", frozen) == (server.status().state, server.status().pid)
    os.kill(frozen, signal.SIGCONT)
    assert "released" == user.ask("release")


def test_a_starter_killed_half_way_leaves_a_server_that_the_next_waits_for(
    server: EmbeddedServer, environ: Environ, users: Users, tmp_path: Path, driver: Driver
) -> None:
    os.mkfifo(tmp_path / "go")
    slow = wrapped(tmp_path / "slow", environ, f'read _ < {tmp_path / "go"}\nexec $server "$@"')
    starter, heir = users(**slow), users(**slow)
    starter.tell("acquire")
    wait_until(lambda: is_locked(server.directory / "alive.lock") and (server.directory / "server.json").exists())

    with (tmp_path / "go").open("w") as go:  # opens when the script reads: the server is half-way
        starter.kill()
        heir.tell("acquire")
        wait_until(lambda: (server.directory / "gate.lock").read_text() == str(heir.pid))
        go.write("on\n")
    url = heir.hear()

    assert driver(url).ping()
    assert not (server.directory / "server.log.1").exists(), "a second one was started"
    assert [heir.pid] == [user.pid for user in server.status().users]


def test_a_fork_made_while_the_server_starts_is_not_taken_for_the_server(
    server: EmbeddedServer, environ: Environ, users: Users, tmp_path: Path
) -> None:
    """It is made between two steps of another thread, and could inherit the server's lock."""
    os.mkfifo(tmp_path / "go")
    slow = wrapped(tmp_path / "slow", environ, f'read _ < {tmp_path / "go"}\nexec $server "$@"')
    user = users(**slow)
    user.ask("begin")
    with (tmp_path / "go").open("w") as go:
        child = int(user.ask("fork"))
        go.write("on\n")
    url = user.ask("acquire")
    assert url == server.status().url

    kill(server)

    assert "stopped" == server.status().state
    os.kill(child, signal.SIGKILL)


def test_a_server_that_loads_its_data_is_not_handed_out_before_it_has(
    environ: Environ, tmp_path: Path, driver: Driver
) -> None:
    slow = wrapped(tmp_path / "slow", environ, 'exec $server "$@" --key-load-delay 300')
    server = EmbeddedServer(environ=slow)
    with EmbeddedServer(environ=environ) as fast:
        pipeline = driver(fast.url).pipeline(transaction=False)
        for number in range(3_000):
            pipeline.set(f"key {number}", number)
        pipeline.execute()

    with server:
        assert 3_000 == driver(server.url).dbsize()


def test_a_server_that_died_while_it_rewrote_its_data_is_replaced_when_its_child_has_gone(
    server: EmbeddedServer, driver: Driver
) -> None:
    """The child inherited the server's lock, and may still write."""
    connection = driver(server.acquire())
    connection.mset({f"key {number}": number for number in range(5_000)})
    connection.config_set("rdb-key-save-delay", 1_000)
    connection.bgrewriteaof()
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    server.acquire()

    assert pid != server.status().pid
    assert 5_000 == connection.dbsize()


def test_a_server_that_ends_at_once_is_an_error_in_its_own_words(server: EmbeddedServer, driver: Driver) -> None:
    with server:
        driver(server.url).set("a", "b" * 100)
    damaged = next((server.directory / "appendonlydir").glob("*.incr.aof"))
    damaged.write_bytes(b"*3\r\n$3\r\nSET\r\nnonsense\r\n" + damaged.read_bytes())

    with pytest.raises(ServerNotStarted, match=r"the server ended at once: .*[Bb]ad file format") as caught:
        server.acquire()

    assert str(server.directory / "server.log") in (caught.value.hint or "")
    assert not server.status().running
    server.reset()
    with server:
        assert driver(server.url).get("a") is None


def test_a_torn_end_of_the_data_is_cut_off_and_the_rest_is_there(server: EmbeddedServer, driver: Driver) -> None:
    with server:
        driver(server.url).set("whole", 1)
        driver(server.url).set("torn", 1)
    torn = next((server.directory / "appendonlydir").glob("*.incr.aof"))
    torn.write_bytes(torn.read_bytes()[:-5])

    with server:
        assert ["1", None] == driver(server.url).mget("whole", "torn")


def test_a_binary_that_refuses_its_configuration_is_an_error_in_its_own_words(environ: Environ, tmp_path: Path) -> None:
    server = EmbeddedServer(environ=wrapped(tmp_path / "odd", environ, 'exec $server "$@" --no-such-option 1'))

    with pytest.raises(ServerNotStarted, match=r"refused to start: .*no-such-option.* Bad directive"):
        server.acquire()

    assert not server.status().running


def test_a_directory_deleted_and_made_again_under_its_server_gets_a_new_one(
    environ: Environ, tmp_path: Path, driver: Driver
) -> None:
    """The old one still holds the locks of files that are gone, and listens where the new one will."""
    first = EmbeddedServer(directory=tmp_path / "data", environ=environ)
    first.acquire()
    old = driver(first.url).info("server")["process_id"]
    shutil.rmtree(first.directory)
    second = EmbeddedServer(directory=tmp_path / "data", environ=environ)

    url = second.acquire()

    assert first.url == url
    assert old != driver(url).info("server")["process_id"]
    second.release()
    assert not second.status().running
    first.release()


def test_a_server_of_another_host_or_container_is_never_signalled(
    server: EmbeddedServer, bystander: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the directory and its locks; a process id from there names an innocent process here."""
    monkeypatch.setattr(process, "BINDS_WITHIN_S", 0.05)
    url = server.acquire()
    place = Place(server.directory)
    pidfile, endpoint = place.pidfile.read_text(), place.endpoint.read_text()
    socket = Path(url.removeprefix("unix://"))
    hidden = socket.rename(socket.with_suffix(".hidden"))
    place.pidfile.write_text(str(bystander.pid))
    place.endpoint.write_text(endpoint.replace('"world":"', '"world":"another '))

    with pytest.raises(ServerError, match="runs elsewhere"):
        server.acquire()

    assert bystander.poll() is None
    hidden.rename(socket)
    place.pidfile.write_text(pidfile)
    place.endpoint.write_text(endpoint)
    assert "ready" == server.status().state
