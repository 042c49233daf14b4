"""`heijunka worker`: real processes over real servers, and one error with a hint where it cannot start."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.commands import Depths
from heijunka.keys import domain_keys
from tests.cli.conftest import SHOP, Call, Start
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until

HINT = "set maxmemory-policy noeviction: CONFIG SET for now, redis.conf for good"

Fresh = Callable[..., Server]


def depths(client: Client, namespace: str, domain: str) -> Depths:
    return client.execute(commands.depths(domain_keys(namespace, domain)))


def errors(err: str) -> list[str]:
    """What a worker said, but for its log."""
    return [line for line in err.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT", line)]


# -- work -------------------------------------------------------------------------------------------


def test_a_burst_runs_what_there_is_and_ends(run: Call, call: Call, client: Client, namespace: str) -> None:
    for number in range(3):
        call("enqueue", SHOP, "note", "hi", str(number))
    call("enqueue", SHOP, "refuse", "no")

    done = run("worker", SHOP, "--burst", "-n", "2", "--slots", "1")

    assert (0, "") == (done.code, done.out)
    assert [] == errors(done.err)
    assert "serves payment, delivery with 2 processes each, 1 slot a process" in done.err
    assert {"done": 3, "load": 0} == {
        "done": depths(client, namespace, "payment").counted("done", "ack"),
        "load": depths(client, namespace, "payment").load,
    }
    assert 1 == depths(client, namespace, "delivery").dead


def test_only_the_domains_that_were_asked_for_are_served(run: Call, call: Call, client: Client, namespace: str) -> None:
    call("enqueue", SHOP, "note", "hi")
    call("enqueue", SHOP, "forgetful", "1")

    done = run("worker", SHOP, "--burst", "-d", "delivery", "-n", "1")

    assert 0 == done.code
    assert (1, 0) == (depths(client, namespace, "payment").load, depths(client, namespace, "delivery").load)


def test_the_application_and_its_settings_may_come_from_a_file(run: Call) -> None:
    Path("heijunka.toml").write_text(f"app = '{SHOP}'\nprocesses = 3\nslots = 2\nlog_level = 'info'\n")

    done = run("worker", "--burst")

    assert 0 == done.code
    assert "serves payment, delivery with 3 processes each, 2 slots a process" in done.err


def test_a_flag_wins_over_what_the_application_says(run: Call, app_file: Callable[[str], str], redis_url: str) -> None:
    path = app_file("app = Heijunka('own', redis_url='redis://localhost:1/0')\n@app.task\ndef idle(): ...")

    assert 0 == run("worker", path, "--burst", "-n", "1", "--redis-url", redis_url).code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0)])
def test_told_to_stop_it_stops(start: Start, client: Client, namespace: str, number: signal.Signals, code: int) -> None:
    process = start("worker", SHOP, "-n", "1")
    wait_until(lambda: depths(client, namespace, "payment").workers == 1)

    os.kill(process.pid, number)

    _, err = process.communicate(timeout=30)
    assert code == process.returncode
    assert [] == errors(err)


# -- its log ----------------------------------------------------------------------------------------


def test_a_log_line_has_a_time_a_level_a_process_and_does_nothing_to_the_terminal(run: Call, call: Call) -> None:
    call("enqueue", SHOP, "refuse", "x\x1b]0;owned\x07\r\u202e\nERROR [1] forged")

    done = run("worker", SHOP, "--burst", "-d", "delivery", "-n", "1")

    record = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING \[\d+\] shop\.delivery: refusing: x"
    assert re.search(record + r"\\x1b\]0;owned\\x07\\r\\u202e\n    ERROR \[1\] forged\n", done.err)


def test_the_level_says_what_is_logged(run: Call, call: Call) -> None:
    call("enqueue", SHOP, "refuse", "no")

    done = run("worker", SHOP, "--burst", "-d", "delivery", "-n", "1", "--log-level", "error")

    assert (0, "") == (done.code, done.out)
    [line] = done.err.splitlines()
    assert re.search(r" ERROR \[\d+\] refuse .*: dead-lettered as retries after attempt 1 of 1: ValueError: no$", line)


# -- where it cannot start --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere:app"], 2,
         ["error: there is no module 'nowhere'", "hint: looked from {here}; write it as package.module:app"]),
        (["tests.cli.shop:ap"], 2, ["error: tests.cli.shop has no ap", "hint: did you mean 'app'?"]),
        ([SHOP, "-d", "paymnet"], 3,
         ["error: tests.cli.shop:app has no domain 'paymnet'", "hint: did you mean 'payment'?"]),
        ([SHOP, "-d", "delivery", "-d", "xyz"], 3,
         ["error: tests.cli.shop:app has no domain 'xyz'", "hint: its domains are payment, delivery"]),
    ],
)  # fmt: skip
def test_a_name_that_does_not_exist_is_told_with_the_nearest(
    run: Call, words: list[str], code: int, said: list[str]
) -> None:
    done = run("worker", *words)

    assert (code, "", [line.format(here=Path.cwd()) for line in said]) == (done.code, done.out, errors(done.err))


def test_what_an_application_raises_is_told_with_its_own_traceback(run: Call, app_file: Callable[[str], str]) -> None:
    done = run("worker", app_file("1 / 0"))

    assert 2 == done.code
    assert "error: mistaken.py:app cannot be loaded: ZeroDivisionError: division by zero" == errors(done.err)[-1]
    assert f'      File "{Path.cwd()}/mistaken.py", line 3, in <module>' in done.err.splitlines()


def test_without_redis_it_says_so_and_ends_with_69(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEIJUNKA_REDIS_TIMEOUT", "100ms")

    done = run("worker", SHOP, "--redis-url", "redis://:s3cret@localhost:1/0")

    error, hint = errors(done.err)
    assert (69, "") == (done.code, done.out)
    assert error.startswith("error: Redis at redis://:***@localhost:1/0 cannot be reached: ")
    assert "hint: is it running, and is the URL right? `heijunka doctor` looks" == hint


@pytest.mark.parametrize("user", ["", ":wr0ng@"])
def test_a_refused_password_is_told_and_ends_with_69(run: Call, fresh_server: Fresh, user: str) -> None:
    server = fresh_server()
    server.driver().config_set("requirepass", "r1ght")

    done = run("worker", SHOP, "--redis-url", f"unix://{user}{server.socket}")

    shown = f"unix://{':***@' if user else ''}{server.socket}"
    assert (69, "") == (done.code, done.out)
    assert [
        f"error: Redis at {shown} refused the user or password",
        "hint: put user and password into the URL: redis://user:password@host",
    ] == errors(done.err)


def test_the_right_password_will_do(run: Call, fresh_server: Fresh) -> None:
    server = fresh_server()
    server.driver().config_set("requirepass", "r1ght")

    assert 0 == run("worker", SHOP, "--burst", "--redis-url", server.url.replace("unix://", "unix://:r1ght@")).code


def test_a_redis_that_evicts_is_refused_unless_that_is_allowed(run: Call, fresh_server: Fresh) -> None:
    url = fresh_server(**{"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}).url

    done = run("worker", SHOP, "--redis-url", url)

    assert (69, "") == (done.code, done.out)
    assert [
        f"error: {url} may delete jobs when it is full: its maxmemory-policy is allkeys-lru",
        f"hint: {HINT}; or start with --allow-eviction",
    ] == errors(done.err)
    assert 0 == run("worker", SHOP, "--burst", "--allow-eviction", "--redis-url", url).code


def test_a_read_only_replica_is_refused(run: Call, fresh_server: Fresh) -> None:
    url = fresh_server(replicaof="127.0.0.1 1").url

    done = run("worker", SHOP, "--redis-url", url)

    assert 69 == done.code
    assert [f"error: {url} is a read-only replica", "hint: point the URL at the primary"] == errors(done.err)


def test_a_redis_that_is_too_old_is_refused(run: Call, too_old: str) -> None:
    done = run("worker", SHOP, "--redis-url", too_old)

    assert (69, "") == (done.code, done.out)
    assert [
        "error: Redis 6.2.14 is too old: Heijunka needs Redis >= 7.0 or Valkey >= 7.2",
        "hint: upgrade the server, or set HEIJUNKA_REDIS_URL to another",
    ] == errors(done.err)
