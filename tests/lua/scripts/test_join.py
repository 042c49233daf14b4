"""join: a worker is registered and every source has its group, whatever was there before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.errors import RedisDenied, WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import samples
from tests.fixtures.seed import GROUP, NORMAL, Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Held, Snapshot, snapshot

pytestmark = needs_server

NOW = Milliseconds(1_700_000_000_000)
TTL = Milliseconds(15_000)


def groups(redis: Driver, keys: DomainKeys) -> list[list[bytes]]:
    """Names of the groups of each source."""
    return [[group["name"] for group in redis.xinfo_groups(stream)] for stream in keys.sources]


def test_a_worker_is_registered_and_its_sources_have_their_group(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    joined = client.execute(commands.join(keys, "w1", ttl=TTL, now=NOW))

    assert commands.Joined(NOW + TTL) == joined
    assert Snapshot(workers={"w1": NOW + TTL}) == snapshot(redis, keys)
    assert [[GROUP.encode()]] * 7 == groups(redis, keys)
    assert "joined" == heard[-1]


def test_jobs_that_came_before_any_worker_belong_to_the_group(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.waiting(NORMAL, *samples(2))

    client.execute(commands.join(keys, "w1", ttl=TTL, now=NOW))

    [[_, taken]] = redis.xreadgroup(GROUP, "w1", {keys.ready[1]: ">"})
    assert 2 == len(taken)


def test_joining_again_prolongs_the_lease_and_keeps_what_is_held(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    client.execute(commands.join(keys, "w1", ttl=TTL, now=NOW))

    assert Snapshot(ready_normal=(Held(entry.job, by="w1"),), workers={"w1": NOW + TTL}) == snapshot(redis, keys)


def test_a_second_worker_does_not_move_the_groups_place(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    client.execute(commands.join(keys, "w2", ttl=TTL, now=NOW))

    assert (Held(entry.job, by="w1"),) == snapshot(redis, keys).ready_normal
    assert [] == redis.xreadgroup(GROUP, "w2", {keys.ready[1]: ">"})


def test_the_servers_clock_decides_when_no_time_is_given(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    before = redis.time()[0] * 1_000

    joined = client.execute(commands.join(keys, "w1", ttl=TTL))

    assert before + TTL <= joined.expires_ms <= redis.time()[0] * 1_000 + 999 + TTL


def test_a_user_who_may_not_make_the_group_does_not_get_a_worker_without_it(
    fresh_server: Callable[..., Server], keys: DomainKeys
) -> None:
    server = fresh_server()
    with server.driver() as redis:
        redis.execute_command("ACL", "SETUSER", "limited", "on", "nopass", "~*", "&*", "+@all", "-xgroup|create")

        with Client(server.url.replace("unix://", "unix://limited:any@")) as client, pytest.raises(RedisDenied):
            client.execute(commands.join(keys, "w1", ttl=TTL, now=NOW))

        assert [] == redis.keys()


@pytest.mark.parametrize("name", ["workers", "suspects", "returned:high", "ready:low"])
def test_a_key_of_another_type_leaves_nothing_half_written(
    client: Executor, redis: Driver, keys: DomainKeys, name: str
) -> None:
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(commands.join(keys, "w1", ttl=TTL, now=NOW))

    assert before == snapshot(redis, keys)
    assert [(keys.tag + name).encode()] == redis.keys(f"{keys.tag}*")
