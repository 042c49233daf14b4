"""`heijunka server`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
import redis
from click.testing import CliRunner, Result

from heijunka.errors import ServerInUse, ServerRefused
from heijunka.server import EmbeddedServer
from heijunka_cli.server import server as command
from tests.server.user import User

Environ = dict[str, str]
Call = Callable[..., Result]


@pytest.fixture
def call(environ: Environ, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call a command in the test's surroundings; errors come out as they are, `main` renders them."""
    monkeypatch.chdir(environ["HOME"])
    for variable in list(os.environ):
        if variable not in environ:
            monkeypatch.delenv(variable)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)

    def called(*arguments: str, types: str | None = None) -> Result:
        result = CliRunner().invoke(command, arguments, input=types)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return called


def test_start_keeps_a_server_that_stop_ends(call: Call, server: EmbeddedServer) -> None:
    started = call("start")
    running = server.status()
    stopped = call("stop")

    assert (0, f"{running.url}\n") == (started.exit_code, started.stdout)
    assert "it stays until: heijunka server stop" in started.stderr
    assert ("ready", True) == (running.state, running.kept)
    assert (0, "", "stopped\n") == (stopped.exit_code, stopped.stdout, stopped.stderr)
    assert not server.status().running


def test_stop_of_what_does_not_run_is_no_failure(call: Call) -> None:
    stopped = call("stop")

    assert (0, "it was not running\n") == (stopped.exit_code, stopped.stderr)


def test_start_is_refused_in_production(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")

    with pytest.raises(ServerRefused):
        call("start")


def test_start_heeds_the_setting_that_permits_it(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("HEIJUNKA_EMBEDDED", "yes")

    assert 0 == call("start").exit_code


def test_stop_says_who_uses_the_server(call: Call, users: Callable[..., User], server: EmbeddedServer) -> None:
    user = users()
    user.ask("acquire")

    with pytest.raises(ServerInUse, match=str(user.pid)) as caught:
        call("stop")
    assert "--force" in (caught.value.hint or "")
    assert "ready" == server.status().state

    assert 0 == call("stop", "--force").exit_code
    assert not server.status().running


def test_url_is_all_that_url_prints(call: Call, server: EmbeddedServer) -> None:
    with server:
        found = call("url")

    assert (0, f"{server.url}\n", "") == (found.exit_code, found.stdout, found.stderr)


def test_url_of_what_does_not_run_is_an_error_and_starts_nothing(call: Call, server: EmbeddedServer) -> None:
    found = call("url", "--name", "blue")

    assert (3, "") == (found.exit_code, found.stdout)
    assert "the server is not running\nhint: heijunka server start --name blue\n" == found.stderr
    assert not server.directory.parent.exists()


def test_path_prints_the_directory_and_creates_nothing(call: Call, server: EmbeddedServer) -> None:
    found = call("path")

    assert (0, f"{server.directory}\n") == (found.exit_code, found.stdout)
    assert not server.directory.exists()


def test_status_as_json_says_what_the_library_says(call: Call, server: EmbeddedServer) -> None:
    with server:
        found = call("status", "--json")
        status = server.status()

    assert 0 == found.exit_code
    assert {
        "name": "default",
        "state": "ready",
        "directory": status.directory,
        "url": status.url,
        "pid": status.pid,
        "binary": status.binary,
        "flavour": status.flavour,
        "version": status.version,
        "kept": False,
        "users": [{"pid": user.pid, "command": user.command} for user in status.users],
        "data_bytes": status.data_bytes,
    } == json.loads(found.stdout)


def test_status_for_people_names_the_server_its_data_and_its_users(call: Call, server: EmbeddedServer) -> None:
    with server:
        found = call("status")
        status = server.status()

    assert 0 == found.exit_code
    assert [
        "state     ready",
        f"url       {status.url}",
        f"process   {status.pid}",
        f"server    {status.flavour} {status.version} ({status.binary})",
        f"data      {status.data_bytes:,} bytes in {status.directory}",
        f"users     {status.users[0]}",
    ] == found.stdout.splitlines()


def test_status_of_what_does_not_run_is_not_found(call: Call, server: EmbeddedServer) -> None:
    found = call("status")

    assert 3 == found.exit_code
    assert [
        "state     stopped",
        f"data      0 bytes in {server.directory}",
        "users     none",
    ] == found.stdout.splitlines()


def test_a_directory_names_a_private_instance(call: Call, environ: Environ) -> None:
    private = f"{environ['HOME']}/private"

    started = call("start", "--directory", private)

    assert f"heijunka server stop --directory {private}" in started.stderr
    assert 3 == call("status").exit_code
    assert 0 == call("status", "--directory", private).exit_code
    assert 0 == call("stop", "--directory", private).exit_code


@pytest.mark.parametrize(("answer", "left"), [("n\n", "1"), ("y\n", None)])
def test_reset_asks_first(
    call: Call, server: EmbeddedServer, driver: Callable[[str], redis.Redis], answer: str, left: str | None
) -> None:
    with server:
        driver(server.url).set("key", 1)

    asked = call("reset", types=answer)

    assert f"Delete all data in {server.directory}" in asked.stderr
    assert (0 if left is None else 1) == asked.exit_code
    with server:
        assert left == driver(server.url).get("key")


def test_reset_with_yes_asks_nothing(call: Call, server: EmbeddedServer) -> None:
    with server:
        pass

    done = call("reset", "--yes")

    assert (0, "", "deleted\n") == (done.exit_code, done.stdout, done.stderr)
    assert 0 == server.status().data_bytes
