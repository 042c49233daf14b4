"""Several processes of one user, and the forks of each."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from heijunka.errors import ServerInUse
from heijunka.server import EmbeddedServer
from tests.fixtures.waiting import wait_until
from tests.server.user import User

Users = Callable[..., User]
Driver = Callable[[str], redis.Redis]


def test_eight_processes_that_start_at_once_start_one_server(
    server: EmbeddedServer, users: Users, driver: Driver
) -> None:
    eight = [users() for _ in range(8)]

    for user in eight:
        user.tell("acquire")
    urls = {user.hear() for user in eight}

    assert 1 == len(urls)
    assert driver(urls.pop()).ping()
    assert not (server.directory / "server.log.1").exists(), "it was started more than once"
    assert sorted(user.pid for user in eight) == [user.pid for user in server.status().users]


def test_nobody_ever_meets_a_server_that_is_coming_or_going(
    server: EmbeddedServer, users: Users, driver: Driver
) -> None:
    four = [users() for _ in range(4)]

    for user in four:
        user.tell("rounds 10")
    answers = [user.hear() for user in four]

    assert ["done"] * 4 == answers
    assert not server.status().running
    with server:
        assert "40" == driver(server.url).get("rounds")


def test_the_last_user_ends_the_server(server: EmbeddedServer, users: Users) -> None:
    first, second = users(), users()
    first.ask("acquire")
    second.ask("acquire")
    pid = server.status().pid

    first.ask("release")
    assert ("ready", pid) == (server.status().state, server.status().pid)
    second.ask("release")

    assert not server.status().running


def test_a_process_that_just_exits_has_released(server: EmbeddedServer, users: Users) -> None:
    user = users()
    user.ask("acquire")

    user.exit()

    assert not server.status().running


def test_a_killed_user_leaves_a_server_that_the_next_adopts_and_ends(
    server: EmbeddedServer, users: Users, driver: Driver
) -> None:
    killed, heir = users(), users()
    driver(killed.ask("acquire")).set("inherited", 1)
    pid = server.status().pid

    killed.kill()

    assert ("ready", pid, ()) == (server.status().state, server.status().pid, server.status().users)
    assert "1" == driver(heir.ask("acquire")).get("inherited")
    assert pid == server.status().pid
    heir.ask("release")
    assert not server.status().running


def test_ctrl_c_ends_a_user_but_not_the_server(server: EmbeddedServer, users: Users, driver: Driver) -> None:
    """The server was started from the terminal that is interrupted, and somebody else uses it."""
    interrupted, other = users(), users()
    url = interrupted.ask("acquire")
    other.ask("acquire")
    pid = server.status().pid

    interrupted.interrupt()

    assert driver(url).ping()
    assert pid == server.status().pid
    assert [other.pid] == [user.pid for user in server.status().users]


def test_processes_agree_on_a_server_although_their_runtime_directories_differ(users: Users, runtime: Path) -> None:
    """As a login and a cron job of one user do."""
    (runtime / "cron").mkdir()
    login, cron = users(), users(XDG_RUNTIME_DIR=str(runtime / "cron"))

    assert login.ask("acquire") == cron.ask("acquire")


def test_stop_says_who_still_uses_the_server_and_leaves_it_alone(server: EmbeddedServer, users: Users) -> None:
    user = users()
    user.ask("acquire")

    with pytest.raises(ServerInUse, match=rf"is used by {user.pid} \(user.py default\)") as caught:
        server.stop()

    assert (user.pid,) == caught.value.pids
    assert "ready" == server.status().state


def test_a_refused_stop_leaves_ones_own_use_intact(server: EmbeddedServer, users: Users) -> None:
    user = users()
    user.ask("acquire")
    server.acquire()

    with pytest.raises(ServerInUse):
        server.stop()
    user.ask("release")
    assert "ready" == server.status().state

    server.release()
    assert not server.status().running


def test_stop_by_force_asks_nobody_and_a_later_release_is_harmless(server: EmbeddedServer, users: Users) -> None:
    user = users()
    user.ask("acquire")

    assert server.stop(force=True)

    assert not server.status().running
    assert "released" == user.ask("release")


def test_ones_own_use_does_not_stand_in_the_way_of_a_stop(server: EmbeddedServer) -> None:
    server.acquire()

    assert server.stop()
    assert not server.stop()
    assert not server.status().running


def test_a_kept_server_outlives_its_users_until_it_is_stopped(server: EmbeddedServer, users: Users) -> None:
    user = users()
    url = server.start()

    assert url == user.ask("acquire")
    user.ask("release")
    assert ("ready", True, ()) == (server.status().state, server.status().kept, server.status().users)

    assert server.stop()
    assert ("stopped", False) == (server.status().state, server.status().kept)


def test_reset_deletes_the_data_and_nothing_that_is_not_ours(
    environ: dict[str, str], tmp_path: Path, driver: Driver
) -> None:
    server = EmbeddedServer(directory=tmp_path / "shared", environ=environ)
    with server:
        driver(server.url).set("gone", 1)
    (server.directory / "diary.txt").write_text("not the server's")

    server.reset()

    assert 0 == server.status().data_bytes
    assert "not the server's" == (server.directory / "diary.txt").read_text()
    with server:
        assert driver(server.url).get("gone") is None


def test_reset_refuses_while_others_use_the_server(server: EmbeddedServer, users: Users, driver: Driver) -> None:
    user = users()
    driver(user.ask("acquire")).set("kept", 1)

    with pytest.raises(ServerInUse):
        server.reset()

    assert "1" == driver(user.ask("acquire")).get("kept")
    server.reset(force=True)
    assert driver(user.ask("acquire")).get("kept") is None


def test_a_release_holds_although_a_fork_lives_on(server: EmbeddedServer, users: Users) -> None:
    """A child that inherited the lock must not keep the server for ever."""
    parent = users()
    parent.ask("acquire")
    child = int(parent.ask("fork"))

    parent.ask("release")

    assert not server.status().running
    os.kill(child, signal.SIGKILL)


def test_a_fork_that_releases_or_ends_takes_nothing_from_its_parent(server: EmbeddedServer, users: Users) -> None:
    parent, other = users(), users()
    parent.ask("acquire")
    pid = server.status().pid

    assert "0" == parent.ask("fork release")
    assert "0" == parent.ask("fork exit")
    other.ask("acquire")
    other.ask("release")

    assert ("ready", pid) == (server.status().state, server.status().pid)


def test_forks_of_a_killed_user_count_as_the_user_until_they_are_gone(server: EmbeddedServer, users: Users) -> None:
    parent, other = users(), users()
    parent.ask("acquire")
    child = int(parent.ask("fork"))
    pid = server.status().pid

    parent.kill()
    other.ask("acquire")
    other.ask("release")
    assert ("ready", pid) == (server.status().state, server.status().pid)
    with pytest.raises(ServerInUse, match="a fork of a process that ended"):
        server.stop()

    os.kill(child, signal.SIGKILL)
    wait_until(lambda: other.ask("acquire") and other.ask("release") and not server.status().running)


def test_a_fork_that_acquires_has_a_use_of_its_own(server: EmbeddedServer, users: Users) -> None:
    parent = users()
    parent.ask("acquire")
    pid = server.status().pid

    parent.tell("fork acquire wait")
    wait_until(lambda: len(server.status().users) == 2)
    child = next(user.pid for user in server.status().users if user.pid != parent.pid)
    parent.kill()

    assert ("ready", pid) == (server.status().state, server.status().pid)
    assert [child] == [user.pid for user in server.status().users]
    os.kill(child, signal.SIGKILL)
