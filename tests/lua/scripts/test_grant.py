"""grant: work that is not queued gets in by the rules of jobs, and counts as load while its lease lasts."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Gauge, Granted, Overtaken, Refused
from heijunka.keys import DomainKeys
from heijunka.policies.admission import Limits, spelled
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample
from tests.fixtures.seed import LOW, NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Snapshot, snapshot
from tests.lua.scripts.numbered import copy_of

NOW = Milliseconds(1_700_000_000_000)
TTL = 30_000
OVER = NOW + TTL


def limit(redis: Driver, keys: DomainKeys, limits: Limits, *, draining: bool = False) -> str:
    rule = spelled(limits, draining=draining)
    redis.hset(keys.limits, "rule", rule)
    return rule


def test_where_nothing_bounds_the_domain_a_lease_is_granted_and_kept(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    granted = client.execute(commands.grant(keys, "na", ttl_ms=TTL, now=NOW))

    assert Granted(OVER) == granted
    after = snapshot(redis, keys)
    assert after == Snapshot(leases={"na": OVER}, stats={"granted_n": 1}, sessions=after.sessions)
    assert ["granted"] == heard


def test_a_lease_counts_as_load_and_one_of_high_priority_is_told_by_its_sign(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    rule = limit(redis, keys, Limits(10, 10, 0.5))

    first = client.execute(commands.grant(keys, "ha", ttl_ms=TTL, now=NOW))
    second = client.execute(commands.grant(keys, "lb", ttl_ms=2 * TTL, now=NOW))

    assert Granted(OVER, Gauge(1, 10, 10, 5)) == first
    assert Granted(NOW + 2 * TTL, Gauge(2, 10, 10, 5)) == second
    after = snapshot(redis, keys)
    assert after == Snapshot(
        leases={"ha": -OVER, "lb": NOW + 2 * TTL},
        stats={"granted_h": 1, "granted_l": 1},
        limits={"rule": rule},
        sessions=after.sessions,
    )
    assert ["admitted"] * 2 == heard
    assert 2 == client.execute(commands.depths(keys, now=NOW)).leases


def test_at_the_hard_limit_everything_is_refused(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    """Jobs and leases together."""
    limit(redis, keys, Limits(2, 2, 0.0))
    seed.waiting(NORMAL, sample())
    client.execute(commands.grant(keys, "ha", ttl_ms=TTL, now=NOW))
    before = snapshot(redis, keys)

    refused = client.execute(commands.grant(keys, "hb", ttl_ms=TTL, now=NOW))

    assert Refused("hard", Gauge(2, 2, 2, 2)) == refused
    after = snapshot(redis, keys)
    assert before.leases == after.leases
    assert {"granted_h": 1, "refused_hard_h": 1} == after.stats
    assert ["admitted", "refused"] == heard


def test_the_reserve_is_left_to_high(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    limit(redis, keys, Limits(10, 10, 0.8))
    seed.waiting(LOW, sample())
    client.execute(commands.grant(keys, "na", ttl_ms=TTL, now=NOW))

    replies = [client.execute(commands.grant(keys, lease, ttl_ms=TTL, now=NOW)) for lease in ("nb", "lc", "hd")]

    assert ["reserve", "reserve"] == [reply.reason for reply in replies if isinstance(reply, Refused)]
    assert Granted(OVER, Gauge(3, 10, 10, 2)) == replies[2]
    assert {"granted_n": 1, "granted_h": 1, "refused_reserve_n": 1, "refused_reserve_l": 1} == snapshot(
        redis, keys
    ).stats


def test_above_the_soft_limit_a_lease_is_granted_and_told_how_fast_work_ends(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    limit(redis, keys, Limits(1, 10, 0.0))
    client.execute(commands.grant(keys, "na", ttl_ms=TTL, now=NOW))
    client.execute(commands.grant(keys, "nb", ttl_ms=TTL, now=NOW))
    client.execute(commands.give_back(keys, "na", over_ms=OVER, now=NOW))
    client.execute(commands.give_back(keys, "nb", over_ms=OVER, now=NOW))
    client.execute(commands.grant(keys, "nc", ttl_ms=TTL, now=NOW))

    pressed = client.execute(commands.grant(keys, "nd", ttl_ms=TTL, now=Milliseconds(NOW + 2_000)))

    assert Granted(OVER + 2_000, Gauge(2, 1, 10, 10, 1.0)) == pressed
    assert {"granted_n": 4, "granted_soft_n": 2, "released_n": 2} == snapshot(redis, keys).stats


def test_a_domain_that_is_drained_grants_nothing(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    limit(redis, keys, Limits(), draining=True)

    refused = client.execute(commands.grant(keys, "ha", ttl_ms=TTL, now=NOW))

    assert Refused("draining", Gauge(0)) == refused
    assert {} == snapshot(redis, keys).leases


@pytest.mark.parametrize("bounded", [True, False])
def test_leases_that_are_over_are_no_load_and_are_dropped_and_counted(
    client: Executor, redis: Driver, keys: DomainKeys, bounded: bool
) -> None:
    if bounded:
        limit(redis, keys, Limits(3, 3, 0.0))
    over = {"na": NOW, "hb": -(NOW - 5), "lc": NOW - 60_000, "hd": -NOW}
    redis.zadd(keys.leases, {**over, "ne": NOW + 1, "hf": -(NOW + 1)})

    granted = client.execute(commands.grant(keys, "ng", ttl_ms=TTL, now=NOW))

    assert isinstance(granted, Granted)
    after = snapshot(redis, keys)
    assert {"ne": NOW + 1, "hf": -(NOW + 1), "ng": OVER} == after.leases
    assert {"expired_n": 1, "expired_h": 2, "expired_l": 1, "granted_n": 1} == after.stats


def test_a_job_drops_what_is_over_too_and_takes_its_room(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    limit(redis, keys, Limits(1, 1, 0.0))
    redis.zadd(keys.leases, {"na": NOW})

    client.execute(commands.enqueue(keys, ["n", sample()], now=NOW))

    after = snapshot(redis, keys)
    assert ({}, 1) == (after.leases, len(after.ready_normal))
    assert {"expired_n": 1, "admitted_n": 1} == after.stats


def test_more_than_five_hundred_that_are_over_go_five_hundred_a_call(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    limit(redis, keys, Limits(2, 2, 0.0))
    redis.zadd(keys.leases, {f"n{number}": NOW - number for number in range(700)})

    first = client.execute(commands.grant(keys, "na", ttl_ms=TTL, now=NOW))
    between = snapshot(redis, keys)
    client.execute(commands.grant(keys, "nb", ttl_ms=TTL, now=NOW))

    assert Granted(OVER, Gauge(1, 2, 2, 2)) == first
    assert (201, 500) == (len(between.leases), between.stats["expired_n"])
    assert {"expired_n": 700, "granted_n": 2} == snapshot(redis, keys).stats


@pytest.mark.parametrize("refused", [False, True])
def test_the_same_call_again_has_one_effect_and_one_answer(
    client: Executor, redis: Driver, keys: DomainKeys, refused: bool
) -> None:
    limit(redis, keys, Limits(5, 5, 0.0), draining=refused)
    call = copy_of(commands.grant(keys, "na", ttl_ms=TTL, now=NOW), keys, number=1)
    first = client.execute(call)
    after = snapshot(redis, keys)

    later = copy_of(commands.grant(keys, "na", ttl_ms=TTL, now=Milliseconds(NOW + 7)), keys, number=1)

    assert first == client.execute(later)
    assert after == snapshot(redis, keys)


def test_a_copy_that_was_overtaken_grants_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    """Its caller has long given the lease back: nobody would, a second time."""
    grant = commands.grant(keys, "na", ttl_ms=TTL, now=NOW)
    client.execute(copy_of(grant, keys, number=1))
    client.execute(copy_of(commands.give_back(keys, "na", over_ms=OVER, now=NOW), keys, number=2))
    before = snapshot(redis, keys)

    assert Overtaken() == client.execute(copy_of(grant, keys, number=1))
    assert before == snapshot(redis, keys)
    assert "stale" == heard[-1]


def test_who_waits_is_noted_and_who_gets_in_wakes_the_next(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    limit(redis, keys, Limits(1, 1, 0.0))
    client.execute(commands.grant(keys, "na", ttl_ms=TTL, now=NOW))

    client.execute(commands.grant(keys, "nb", ttl_ms=TTL, waits_ms=500, now=NOW))
    assert str(NOW + 500) == snapshot(redis, keys).limits["waiting"]
    client.execute(commands.give_back(keys, "na", over_ms=OVER, now=NOW))
    assert 1 == snapshot(redis, keys).room
    redis.delete(keys.room)
    client.execute(commands.grant(keys, "nb", ttl_ms=TTL, waits_ms=400, now=NOW))

    assert 1 == snapshot(redis, keys).room


@needs_server
@pytest.mark.parametrize("key", ["stats", "leases", "room", "limits"])
def test_a_key_of_another_type_leaves_everything_as_it_was(
    client: Executor, redis: Driver, keys: DomainKeys, key: str
) -> None:
    if key != "limits":
        limit(redis, keys, Limits(5, 5, 0.0))
    redis.set(getattr(keys, key), "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(Exception, match="type"):
        client.execute(commands.grant(keys, "na", ttl_ms=TTL, waits_ms=1, now=NOW))

    assert before == snapshot(redis, keys)


@needs_server
@pytest.mark.parametrize(("lease", "ttl_ms"), [("xa", TTL), ("", TTL), ("na", 0)])
def test_what_is_no_lease_is_refused_before_anything_is_written(
    client: Executor, redis: Driver, keys: DomainKeys, lease: str, ttl_ms: int
) -> None:
    with pytest.raises(Exception, match="no such lease"):
        client.execute(commands.grant(keys, lease, ttl_ms=ttl_ms, now=NOW))

    assert Snapshot() == snapshot(redis, keys)
