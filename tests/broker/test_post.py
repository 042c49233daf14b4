"""A posted command is done without anybody waiting, and the next calls on its connection get their own replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.broker.conversation import Patience
from heijunka.errors import BrokerError
from heijunka.keys import DomainKeys
from tests.fixtures.server import Driver, Server
from tests.fixtures.waiting import wait_until

TTL_MS = 600_000
KEYS = DomainKeys("shop", "payment")
"""On a server of the test's own."""


def grant(client: Client, keys: DomainKeys, lease: str) -> None:
    assert isinstance(client.execute(commands.grant(keys, lease, ttl_ms=TTL_MS)), commands.Granted)


def back(keys: DomainKeys, lease: str) -> Command[Any]:
    return commands.give_back(keys, lease, over_ms=0)


def warm(client: Client, keys: DomainKeys) -> None:
    """The first one on a connection waits for its reply: the script may have to be loaded."""
    grant(client, keys, "nfirst")
    client.post(back(keys, "nfirst"))


def stats(driver: Driver, keys: DomainKeys) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = driver.hgetall(keys.stats)
    return found


def test_the_first_on_a_connection_is_done_when_it_returns(client: Client, redis: Driver, keys: DomainKeys) -> None:
    warm(client, keys)

    assert {b"granted_n": b"1", b"released_n": b"1"} == stats(redis, keys)


def test_it_is_done_though_nobody_calls_again(client: Client, redis: Driver, keys: DomainKeys) -> None:
    warm(client, keys)
    grant(client, keys, "na")
    client.post(back(keys, "na"))

    wait_until(lambda: redis.zcard(keys.leases) == 0)


def test_it_is_done_though_its_process_closes_the_connection(redis_url: str, redis: Driver, keys: DomainKeys) -> None:
    with Client(redis_url) as client:
        warm(client, keys)
        grant(client, keys, "na")
        client.post(back(keys, "na"))

    wait_until(lambda: redis.zcard(keys.leases) == 0)


def test_the_next_calls_get_their_own_replies(client: Client, redis: Driver, keys: DomainKeys) -> None:
    warm(client, keys)
    for number in range(20):
        grant(client, keys, f"n{number}")
        client.post(back(keys, f"n{number}"))
        assert 0 == client.execute(commands.depths(keys)).leases
        client.post(back(keys, "nowhere"))
        assert b"PONG" == client.plain("PING")

    assert {b"granted_n": b"21", b"released_n": b"21"} == stats(redis, keys)


def test_one_posted_after_another_waits_for_both(client: Client, redis: Driver, keys: DomainKeys) -> None:
    warm(client, keys)
    for lease in ("na", "nb", "nc"):
        grant(client, keys, lease)
    for lease in ("na", "nb", "nc"):
        client.post(back(keys, lease))

    assert 0 == client.execute(commands.depths(keys)).leases
    assert {b"granted_n": b"4", b"released_n": b"4"} == stats(redis, keys)


def test_when_the_script_is_forgotten_the_next_call_sees_to_it(fresh_server: Callable[..., Server]) -> None:
    """The call that read the refusal has its own answer; the one after it sends what was refused again."""
    server = fresh_server()
    with Client(server.url) as client, server.driver() as driver:
        warm(client, KEYS)
        grant(client, KEYS, "na")
        driver.script_flush()
        client.post(back(KEYS, "na"))
        assert b"PONG" == client.plain("PING")

        assert 0 == client.execute(commands.depths(KEYS)).leases


def test_when_the_connection_breaks_the_next_call_sees_to_it(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server(appendonly="yes")
    with Client(server.url) as client:
        warm(client, KEYS)
        grant(client, KEYS, "na")
        server.freeze()
        client.post(back(KEYS, "na"))
        server.kill()
        server.start()

        client.execute(commands.weigh(KEYS))

        with server.driver() as driver:
            assert 1 == driver.zcard(KEYS.leases)
        assert 0 == client.execute(commands.depths(KEYS)).leases


def test_where_it_cannot_be_sent_it_is_a_call_like_any_other(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    with Client(server.url) as client:
        warm(client, KEYS)
        server.kill()

        with pytest.raises(BrokerError):
            client.post(back(KEYS, "na"), Patience(0))
        server.start()

        grant(client, KEYS, "nb")
        client.post(back(KEYS, "nb"))
        assert 0 == client.execute(commands.depths(KEYS)).leases


def test_what_redis_refuses_is_told_to_nobody(client: Client, redis: Driver, keys: DomainKeys) -> None:
    warm(client, keys)
    redis.delete(keys.leases)
    redis.set(keys.leases, "somebody else's")
    client.post(back(keys, "na"))

    assert b"PONG" == client.plain("PING")
    redis.delete(keys.leases)
