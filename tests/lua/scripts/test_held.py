"""held: a worker is told what it holds, so that a pull whose reply was lost costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.commands import Lost, Pulled
from heijunka.errors import WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import HIGH, LOW, NORMAL, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import snapshot

pytestmark = needs_server


def test_what_a_worker_holds_is_told_from_every_source(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("w1")
    mine = [
        *seed.held("w1", SUSPECTS, sample(), deliveries=2),
        *seed.held("w1", HIGH, *samples(2)),
        *seed.held("w1", RETURNED_NORMAL, sample()),
        *seed.held("w1", LOW, *samples(3)),
    ]
    seed.waiting(NORMAL, sample())
    before = snapshot(redis, keys)

    assert Pulled(mine) == client.execute(commands.held(keys, "w1", count=10))
    assert before == snapshot(redis, keys)
    assert "jobs" == heard[-1]


def test_a_lost_reply_of_a_pull_is_made_good(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.worker("w1")
    seed.waiting(NORMAL, *samples(3))

    taken = client.execute(commands.pull(keys, "w1", 2, alone=True))

    assert taken == client.execute(commands.held(keys, "w1", count=10))


def test_what_others_hold_or_nobody_holds_is_not_told(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.holding("w2")
    seed.worker("w1")
    seed.waiting(NORMAL, *samples(2))

    assert Pulled([]) == client.execute(commands.held(keys, "w1", count=10))


def test_no_more_are_told_of_each_source_than_asked_for(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    high, low = seed.held("w1", HIGH, *samples(3)), seed.held("w1", LOW, *samples(3))

    assert Pulled([*high[:2], *low[:2]]) == client.execute(commands.held(keys, "w1", count=2))


def test_a_worker_that_was_recovered_is_told_so(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("other")
    before = snapshot(redis, keys)

    assert Lost() == client.execute(commands.held(keys, "w1", count=10))
    assert before == snapshot(redis, keys)
    assert "lost" == heard[-1]


def test_an_entry_that_was_deleted_while_it_was_held_is_left_out(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    gone, kept = seed.held("w1", NORMAL, *samples(2))
    redis.xdel(keys.ready[1], gone.id)

    assert Pulled([kept]) == client.execute(commands.held(keys, "w1", count=10))


def test_sources_that_lost_their_group_hold_nothing_for_anybody(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """The worker pulls on, and that makes the group anew."""
    seed.worker("w1")
    kept = seed.held("w1", LOW, sample())
    redis.delete(*keys.sources[:6])
    seed.waiting(NORMAL, sample())

    assert Pulled(kept) == client.execute(commands.held(keys, "w1", count=10))


@pytest.mark.parametrize("name", ["workers", "suspects", "ready:low"])
def test_a_key_of_another_type_is_a_typed_error(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, name: str
) -> None:
    seed.worker("w1")
    redis.set(keys.tag + name, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.held(keys, "w1", count=10))


def test_a_full_redis_still_tells(fresh_server: Callable[..., Server], keys: DomainKeys) -> None:
    server = fresh_server()

    with Client(server.url) as client, server.driver() as redis:
        entry = Seed(redis, keys).holding("w1")
        redis.config_set("maxmemory", "1")

        assert Pulled([entry]) == client.execute(commands.held(keys, "w1", count=10))
