"""give_back: a lease ends once, whatever is called how often and when."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Overtaken
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot
from tests.lua.scripts.numbered import copy_of

NOW = Milliseconds(1_700_000_000_000)
OVER = NOW + 30_000


@pytest.mark.parametrize(("lease", "score"), [("ha", -OVER), ("na", OVER), ("la", OVER)])
def test_a_lease_that_is_held_is_released(
    client: Executor, redis: Driver, keys: DomainKeys, lease: str, score: int
) -> None:
    redis.zadd(keys.leases, {lease: score, "nother": OVER})

    assert "released" == client.execute(commands.give_back(keys, lease, over_ms=OVER, now=NOW))

    after = snapshot(redis, keys)
    assert {"nother": OVER} == after.leases
    assert {f"released_{lease[0]}": 1} == after.stats


def test_a_second_time_it_is_not_there(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.zadd(keys.leases, {"na": OVER})
    give_back = commands.give_back(keys, "na", over_ms=OVER, now=NOW)

    assert ["released", "unknown"] == [client.execute(give_back) for _ in range(2)]
    assert {"released_n": 1} == snapshot(redis, keys).stats


@pytest.mark.parametrize("score", [NOW, -NOW, NOW - 1])
def test_a_lease_that_is_over_has_expired_whoever_drops_it(
    client: Executor, redis: Driver, keys: DomainKeys, score: int
) -> None:
    redis.zadd(keys.leases, {"na": score})
    give_back = commands.give_back(keys, "na", over_ms=abs(score), now=NOW)

    assert ["expired", "expired"] == [client.execute(give_back) for _ in range(2)]

    after = snapshot(redis, keys)
    assert ({}, {"expired_n": 1}) == (after.leases, after.stats)


def test_what_was_never_granted_is_unknown(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert "unknown" == client.execute(commands.give_back(keys, "na", over_ms=0, now=NOW))
    assert {} == snapshot(redis, keys).stats


def test_the_same_call_again_has_one_effect_and_one_answer(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.zadd(keys.leases, {"na": OVER})
    call = copy_of(commands.give_back(keys, "na", over_ms=OVER, now=NOW), keys, number=1)

    assert ["released", "released"] == [client.execute(call) for _ in range(2)]
    assert {"released_n": 1} == snapshot(redis, keys).stats


def test_a_copy_that_was_overtaken_ends_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    redis.zadd(keys.leases, {"na": OVER})
    client.execute(copy_of(commands.give_back(keys, "nb", over_ms=OVER, now=NOW), keys, number=2))

    assert Overtaken() == client.execute(copy_of(commands.give_back(keys, "na", over_ms=OVER, now=NOW), keys, number=1))
    assert {"na": OVER} == snapshot(redis, keys).leases
    assert "stale" == heard[-1]


@pytest.mark.parametrize(("waiting", "rung"), [(NOW, 1), (NOW - 1, 0)])
def test_who_still_waits_for_room_is_woken(
    client: Executor, redis: Driver, keys: DomainKeys, waiting: int, rung: int
) -> None:
    redis.zadd(keys.leases, {"na": OVER})
    redis.hset(keys.limits, "waiting", waiting)

    client.execute(commands.give_back(keys, "na", over_ms=OVER, now=NOW))

    assert rung == snapshot(redis, keys).room


@needs_server
@pytest.mark.parametrize("key", ["stats", "leases", "limits"])
def test_a_key_of_another_type_leaves_everything_as_it_was(
    client: Executor, redis: Driver, keys: DomainKeys, key: str
) -> None:
    redis.zadd(keys.leases, {"na": OVER})
    redis.delete(getattr(keys, key))
    redis.set(getattr(keys, key), "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(Exception, match="type"):
        client.execute(commands.give_back(keys, "na", over_ms=OVER, now=NOW))

    assert before == snapshot(redis, keys)
