"""lapsed: the workers whose lease is over, and nothing else is said or done."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Snapshot, snapshot

NOW = Milliseconds(1_700_000_000_000)


def test_leases_that_are_over_are_named_the_oldest_first(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    leases = {"alive": NOW + 1, "just": int(NOW), "long": NOW - 60_000, "short": NOW - 1}
    redis.zadd(keys.workers, leases)

    lapsed = client.execute(commands.lapsed(keys, now=NOW))

    assert ("long", "short", "just") == lapsed
    assert Snapshot(workers=leases) == snapshot(redis, keys)
    assert "lapsed" == heard[-1]


def test_no_more_are_named_than_asked_for(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.zadd(keys.workers, {"w1": 1, "w2": 2, "w3": 3})

    assert ("w1", "w2") == client.execute(commands.lapsed(keys, limit=2, now=NOW))


def test_a_domain_without_workers_has_none(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert () == client.execute(commands.lapsed(keys, now=NOW))
    assert Snapshot() == snapshot(redis, keys)


def test_the_servers_clock_decides_when_no_time_is_given(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    server_ms = redis.time()[0] * 1_000
    redis.zadd(keys.workers, {"over": server_ms - 1, "alive": server_ms + 3_600_000})

    assert ("over",) == client.execute(commands.lapsed(keys))


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.workers, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.lapsed(keys, now=NOW))
