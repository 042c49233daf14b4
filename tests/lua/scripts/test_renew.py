"""renew: leases of living workers go on; what was taken away is not given back."""

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
TTL = Milliseconds(15_000)


def test_leases_of_the_named_workers_are_prolonged_and_no_others(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    redis.zadd(keys.workers, {"w1": NOW + 1, "w2": NOW + 2, "other": NOW + 3})

    renewed = client.execute(commands.renew(keys, ["w1", "w2"], ttl=TTL, now=NOW))

    assert commands.Renewed(NOW + TTL, lost=()) == renewed
    assert Snapshot(workers={"w1": NOW + TTL, "w2": NOW + TTL, "other": NOW + 3}) == snapshot(redis, keys)
    assert "renewed" == heard[-1]


def test_a_worker_that_was_recovered_is_told_and_stays_lost(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.zadd(keys.workers, {"w2": NOW + 1})

    renewed = client.execute(commands.renew(keys, ["w1", "w2", "w3"], ttl=TTL, now=NOW))

    assert commands.Renewed(NOW + TTL, lost=("w1", "w3")) == renewed
    assert Snapshot(workers={"w2": NOW + TTL}) == snapshot(redis, keys)


def test_a_lapsed_lease_that_nobody_acted_on_is_renewed(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.zadd(keys.workers, {"w1": NOW - 60_000})

    assert commands.Renewed(NOW + TTL, lost=()) == client.execute(commands.renew(keys, ["w1"], ttl=TTL, now=NOW))
    assert {"w1": NOW + TTL} == snapshot(redis, keys).workers


def test_nobody_to_renew_is_no_trouble(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert commands.Renewed(NOW + TTL, lost=()) == client.execute(commands.renew(keys, [], ttl=TTL, now=NOW))
    assert Snapshot() == snapshot(redis, keys)


def test_the_servers_clock_decides_when_no_time_is_given(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.zadd(keys.workers, {"w1": 1})
    before = redis.time()[0] * 1_000

    renewed = client.execute(commands.renew(keys, ["w1"], ttl=TTL))

    assert before + TTL <= renewed.expires_ms <= redis.time()[0] * 1_000 + 999 + TTL
    assert {"w1": renewed.expires_ms} == snapshot(redis, keys).workers


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.workers, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.renew(keys, ["w1"], ttl=TTL, now=NOW))
