"""What Redis's errors become: met on real servers where a test can make one, and by their words."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import exceptions as driver

from heijunka import commands, errors
from heijunka.broker.client import Client
from heijunka.broker.conversation import Patience
from heijunka.broker.faults import Again, again, unsent, wrapped
from heijunka.errors import HeijunkaError
from heijunka.keys import DomainKeys
from tests.fixtures.samples import sample
from tests.fixtures.server import Driver, Server
from tests.fixtures.waiting import wait_until

Fresh = Callable[..., Server]


def refused(url: str, keys: DomainKeys) -> HeijunkaError:
    """What an enqueue is told that is tried once."""
    with Client(url) as client, pytest.raises(HeijunkaError) as caught:
        client.execute(commands.enqueue(keys, ["n", sample()]), Patience(0))
    return caught.value


# -- real servers -----------------------------------------------------------------------------------


def test_a_full_redis(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    with server.driver() as asked:
        asked.config_set("maxmemory", "1")

    error = refused(server.url, keys)

    assert isinstance(error, errors.RedisFull)
    assert "raise maxmemory, or let workers drain the queue: they still can" == error.hint


def test_a_replica(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    with server.driver() as asked:
        asked.replicaof("127.0.0.1", "1")

    error = refused(server.url, keys)

    assert isinstance(error, errors.RedisReadOnly)
    assert "point the URL at the primary" == error.hint


def test_a_disk_that_takes_nothing(fresh_server: Fresh, keys: DomainKeys, tmp_path: Path) -> None:
    server = fresh_server(save="3600 1000000", dir=str(tmp_path))
    (tmp_path / "dump.rdb" / "in the way").mkdir(parents=True)
    with server.driver() as asked:
        asked.bgsave()
        wait_until(lambda: asked.info("persistence")["rdb_last_bgsave_status"] == "err")

    error = refused(server.url, keys)

    assert isinstance(error, errors.RedisCannotPersist)
    assert "free space on Redis's disk" == error.hint


def test_a_redis_that_runs_somebodys_slow_script(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server(**{"busy-reply-threshold": "1"})
    with server.driver() as foreign, server.driver() as ending:
        endless = threading.Thread(target=_run_for_ever, args=(foreign,))
        endless.start()
        try:
            wait_until(lambda: _is_busy(ending))
            error = refused(server.url, keys)
        finally:
            ending.script_kill()
            endless.join()

    assert isinstance(error, errors.RedisBusy)
    assert "SCRIPT KILL" in (error.hint or "")


def _run_for_ever(foreign: Driver) -> None:
    with contextlib.suppress(driver.ResponseError):  # it is killed
        foreign.eval("while true do end", 0)


def _is_busy(asked: Driver) -> bool:
    try:
        asked.ping()
    except driver.ResponseError as error:
        return "BUSY" in str(error)
    return False


def test_a_key_of_another_type(redis_url: str, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.ready[1], "not a stream")

    error = refused(redis_url, keys)

    redis.delete(keys.ready[1])
    assert isinstance(error, errors.WrongKeyType)


def test_a_user_who_may_not(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    with server.driver() as asked:
        asked.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+ping", "+client", "+get")

    error = refused(f"unix://reader:secret@{server.socket}", keys)

    assert isinstance(error, errors.RedisDenied)
    assert "secret" not in str(error)


@pytest.mark.parametrize("user", ["", "nobody:secret@", ":secret@"])
def test_a_wrong_user_or_password(user: str, fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    with server.driver() as asked:
        asked.config_set("requirepass", "right")
        error = refused(f"unix://{user}{server.socket}", keys)
        asked.config_set("requirepass", "")

    assert isinstance(error, errors.RedisAuthError)
    assert "secret" not in str(error) + str(error.hint)


def test_nobody_there(keys: DomainKeys) -> None:
    error = refused("unix:///nowhere/s", keys)

    assert isinstance(error, errors.RedisUnreachable)
    assert "unix:///nowhere/s" == error.url


# -- by their words ---------------------------------------------------------------------------------

LOST = driver.ConnectionError("Connection closed by server.")


@pytest.mark.parametrize(
    ("error", "verdict", "kind"),
    [
        (LOST, Again.UNKNOWN, errors.Unconfirmed),
        (driver.TimeoutError("Timeout reading from socket"), Again.UNKNOWN, errors.Unconfirmed),
        (unsent(driver.ConnectionError("Error 111 connecting")), Again.WAIT, errors.RedisUnreachable),
        (unsent(driver.TimeoutError("Timeout connecting to server")), Again.WAIT, errors.RedisUnreachable),
        (unsent(driver.MaxConnectionsError("max number of clients reached")), Again.WAIT, errors.RedisUnreachable),
        (unsent(driver.BusyLoadingError("Redis is loading the dataset in memory")), Again.WAIT, errors.RedisBusy),
        (unsent(driver.AuthenticationError("invalid username-password pair")), Again.NEVER, errors.RedisAuthError),
        (driver.BusyLoadingError("Redis is loading the dataset in memory"), Again.WAIT, errors.RedisBusy),
        (driver.ResponseError("BUSY Redis is busy running a script."), Again.WAIT, errors.RedisBusy),
        (driver.ResponseError("TRYAGAIN Multiple keys request during rehashing"), Again.WAIT, errors.BrokerError),
        (driver.ResponseError("CLUSTERDOWN The cluster is down"), Again.WAIT, errors.BrokerError),
        (driver.ResponseError("MASTERDOWN Link with MASTER is down"), Again.WAIT, errors.BrokerError),
        (driver.ReadOnlyError("You can't write against a read only replica."), Again.RECONNECT, errors.RedisReadOnly),
        (driver.NoScriptError("No matching script."), Again.LOAD, errors.BrokerError),
        (driver.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), Again.NEVER, errors.RedisFull),
        (driver.ResponseError("MISCONF Errors writing to the AOF file"), Again.NEVER, errors.RedisCannotPersist),
        (driver.NoPermissionError("this user has no permissions"), Again.NEVER, errors.RedisDenied),
        (driver.ResponseError("WRONGTYPE Operation against a key"), Again.NEVER, errors.WrongKeyType),
        (driver.ResponseError("unknown command 'EVALSHA'"), Again.NEVER, errors.BrokerError),
    ],
)
def test_each_error_has_one_meaning(error: Exception, verdict: Again, kind: type[HeijunkaError]) -> None:
    assert verdict is again(error)
    assert kind is type(wrapped(error, "redis://here", None))


def test_every_error_of_redis_says_what_to_do_next() -> None:
    for error in (LOST, unsent(LOST), driver.OutOfMemoryError("full"), driver.NoPermissionError("no")):
        assert wrapped(error, "redis://here", None).hint
