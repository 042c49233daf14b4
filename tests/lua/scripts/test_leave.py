"""leave: a worker that holds nothing is forgotten; what one holds is never dropped with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.errors import RedisDenied, WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample
from tests.fixtures.seed import GROUP, LOW, NORMAL, RETURNED_HIGH, Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Snapshot, consumers, snapshot

pytestmark = needs_server

EXPIRES = 2_000_000_000_000


def test_a_worker_without_jobs_is_forgotten(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    entry = seed.holding("w1")
    redis.xack(keys.ready[1], GROUP, entry.id)
    redis.xdel(keys.ready[1], entry.id)

    left = client.execute(commands.leave(keys, "w1"))

    assert commands.Leaving(left=True) == left
    assert Snapshot() == snapshot(redis, keys)
    assert set() == consumers(redis, keys)
    assert "left" == heard[-1]


@pytest.mark.parametrize("source", [SUSPECTS, RETURNED_HIGH, NORMAL, LOW])
def test_a_worker_that_holds_a_job_stays(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, source: int, heard: list[str]
) -> None:
    seed.worker("w1")
    seed.held("w1", source, sample())
    before = snapshot(redis, keys)

    left = client.execute(commands.leave(keys, "w1"))

    assert commands.Leaving(left=False) == left
    assert before == snapshot(redis, keys)
    assert {"w1"} == consumers(redis, keys)
    assert "holding" == heard[-1]


def test_what_others_hold_keeps_nobody(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.worker("w2")
    seed.holding("w1")
    before = snapshot(redis, keys)

    assert commands.Leaving(left=True) == client.execute(commands.leave(keys, "w2"))
    assert before.but(workers={"w1": EXPIRES}) == snapshot(redis, keys)


def test_leaving_twice_is_leaving(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.worker("w1")
    client.execute(commands.leave(keys, "w1"))

    assert commands.Leaving(left=True) == client.execute(commands.leave(keys, "w1"))
    assert Snapshot() == snapshot(redis, keys)


def test_a_domain_that_was_flushed_lets_everybody_go(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert commands.Leaving(left=True) == client.execute(commands.leave(keys, "w1"))
    assert Snapshot() == snapshot(redis, keys)


def test_a_user_who_may_not_look_at_what_is_held_does_not_drop_it(
    fresh_server: Callable[..., Server], keys: DomainKeys
) -> None:
    """Not being told of any jobs is not the same as there being none."""
    server = fresh_server()
    with server.driver() as redis:
        Seed(redis, keys).holding("w1")
        before = snapshot(redis, keys)
        redis.execute_command("ACL", "SETUSER", "limited", "on", "nopass", "~*", "&*", "+@all", "-xpending")

        with Client(server.url.replace("unix://", "unix://limited:any@")) as client, pytest.raises(RedisDenied):
            client.execute(commands.leave(keys, "w1"))

        assert before == snapshot(redis, keys)


@pytest.mark.parametrize("name", ["workers", "suspects", "ready:low"])
def test_a_key_of_another_type_keeps_the_worker(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, name: str
) -> None:
    seed.worker("w1")
    redis.xgroup_createconsumer(keys.ready[1], GROUP, "w1")
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(commands.leave(keys, "w1"))

    assert before == snapshot(redis, keys)
    assert {"w1"} == consumers(redis, keys)
