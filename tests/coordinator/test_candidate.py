"""Candidates over a real server: one leads, the next one follows, and who leads gives pools their targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.commands import Fleet, Order, PoolReport, Report, Target
from heijunka.control.limits import LimitsOf
from heijunka.control.pools import PoolsOf
from heijunka.coordinator import Candidate
from heijunka.errors import MaxWorkersReached, MinWorkersReached
from heijunka.keys import NamespaceKeys, domain_keys
from tests.fixtures.server import Driver
from tests.fixtures.waiting import wait_until

LONG = Milliseconds(60_000)
Stand = Callable[..., Candidate]


@pytest.fixture
def shared(namespace: str) -> NamespaceKeys:
    return NamespaceKeys(namespace)


@pytest.fixture
def stand(redis_url: str, namespace: str) -> Iterator[Stand]:
    """Lets somebody stand as a candidate, with a tick of 20 ms."""
    standing: list[Candidate] = []

    def stand(name: str, lease_ms: int = 10_000) -> Candidate:
        candidate = Candidate(redis_url, namespace, name=name, tick_s=0.02, lease_ms=Milliseconds(lease_ms))
        standing.append(candidate)
        candidate.start()
        return candidate

    yield stand
    for candidate in standing:
        candidate.stop()
    assert all(candidate.join(10) for candidate in standing)


@pytest.fixture
def pools(client: Client, namespace: str) -> PoolsOf:
    return PoolsOf(client, lambda domain: domain_keys(namespace, domain), namespace, ())


def serve(client: Client, shared: NamespaceKeys, name: str, workers: int, **facts: int | bool) -> None:
    room = int(facts.pop("room", 50))
    pool = PoolReport(workers, least=2, most=40, **facts)  # type: ignore[arg-type]
    client.execute(commands.report(shared, name, Report(name, 1, room, {"payment": pool}), ttl=LONG))


def seen(client: Client, shared: NamespaceKeys) -> Fleet:
    return client.execute(commands.fleet(shared))


def target(client: Client, shared: NamespaceKeys) -> Target:
    return seen(client, shared).targets.get("payment", Target(-1))


# -- who leads ---------------------------------------------------------------------------------------


def test_one_leads_and_when_it_stops_another_leads_at_once(client: Client, shared: NamespaceKeys, stand: Stand) -> None:
    first = stand("first")
    wait_until(lambda: first.leading)
    second = stand("second")
    wait_until(lambda: len(waiting_for_bells(client)) >= 2)

    first.stop()

    wait_until(lambda: second.leading, timeout=5)  # its lease would have lasted for 10 s
    assert first.join(5)
    assert (second.id, 2) == (seen(client, shared).leader, seen(client, shared).term)


def waiting_for_bells(client: Client) -> list[str]:
    """The coordinators that wait for a bell, as Redis sees them."""
    lines = client.plain("CLIENT", "LIST").decode().splitlines()
    return [line for line in lines if " name=hj:coordinator" in line and " cmd=blpop " in line]


def test_a_leader_that_is_gone_is_replaced_when_its_lease_is_over(
    client: Client, shared: NamespaceKeys, stand: Stand
) -> None:
    client.execute(commands.lead(shared, "killed", ttl=Milliseconds(300)))

    heir = stand("heir")

    wait_until(lambda: heir.leading)
    assert 2 == seen(client, shared).term


def test_who_was_deposed_notices_and_stands_again(
    client: Client, redis: Driver, shared: NamespaceKeys, stand: Stand
) -> None:
    serve(client, shared, "host", 2)
    first = stand("first")
    wait_until(lambda: target(client, shared).workers == 2)

    redis.hset(shared.leader, mapping={"id": "usurper", "term": 7, "expires": 2**52})

    wait_until(lambda: not first.leading)
    redis.hset(shared.leader, "expires", 1)
    redis.rpush(shared.election, "1")
    wait_until(lambda: first.leading)
    assert 8 == seen(client, shared).term


# -- what it decides ---------------------------------------------------------------------------------


def test_an_order_is_carried_out_and_explained_until_it_is_taken_back(
    client: Client, shared: NamespaceKeys, stand: Stand, pools: PoolsOf
) -> None:
    serve(client, shared, "a", 2)
    serve(client, shared, "b", 2, room=3)
    stand("leader")
    wait_until(lambda: target(client, shared).workers == 4)
    pool = pools["payment"]

    assert 9 == pool.scale_to(9)

    wait_until(lambda: target(client, shared).workers == 9)
    now = target(client, shared)
    assert ("manual", {"a": 7, "b": 2}) == (now.mode, now.split)
    assert now.reason.startswith("9 workers were ordered")
    assert "manual" == pool.status().mode
    pool.auto()
    wait_until(lambda: target(client, shared).mode == "auto")
    decided = [(one.before, one.after) for one in pool.explain()]
    assert (4, 9) in decided
    assert pool.explain(1) == pool.explain()[:1]
    assert [] == pool.explain(0)


def test_orders_are_relative_to_what_there_should_be(
    client: Client, shared: NamespaceKeys, stand: Stand, pools: PoolsOf
) -> None:
    serve(client, shared, "a", 2)
    stand("leader")
    wait_until(lambda: target(client, shared).workers == 2)
    pool = pools["payment"]

    assert [4, 5, 3] == [pool.adjust_workers(2), pool.scale_up(), pool.scale_down(2)]
    assert Order(3) == seen(client, shared).orders["payment"]


def test_orders_beyond_the_bounds_are_refused(client: Client, shared: NamespaceKeys, pools: PoolsOf) -> None:
    serve(client, shared, "a", 2)

    with pytest.raises(MaxWorkersReached) as most:
        pools["payment"].scale_to(41)
    with pytest.raises(MinWorkersReached) as least:
        pools["payment"].scale_down()
    assert (40, 2) == (most.value.limit, least.value.limit)
    assert {} == seen(client, shared).orders


def test_supervisors_that_were_started_with_a_number_keep_it(
    client: Client, shared: NamespaceKeys, stand: Stand, pools: PoolsOf
) -> None:
    serve(client, shared, "a", 3, fixed=True)
    stand("leader")
    pools["payment"].scale_to(9)

    wait_until(lambda: target(client, shared).workers == 9)
    assert {"a": 3} == target(client, shared).split


def test_who_must_act_is_called(
    client: Client, redis: Driver, shared: NamespaceKeys, stand: Stand, pools: PoolsOf
) -> None:
    serve(client, shared, "a", 2)
    stand("leader")
    wait_until(lambda: target(client, shared).workers == 2)
    redis.delete(shared.call("a"))

    pools["payment"].scale_to(5)

    wait_until(lambda: redis.llen(shared.call("a")) == 1)


def test_a_pool_that_nobody_serves_is_down_when_jobs_wait(
    client: Client, redis: Driver, shared: NamespaceKeys, pools: PoolsOf
) -> None:
    assert ("idle", "alone", 0) == (
        pools["payment"].status().health, pools["payment"].status().mode, pools["payment"].status().current,
    )  # fmt: skip
    redis.xadd(domain_keys(shared.namespace, "payment").ready[1], {"j": b"job"})

    now = pools["payment"].status()

    assert ("down", 1, "no supervisor serves it") == (now.health, now.waiting, now.reason)


def test_health_has_the_last_depths(client: Client, shared: NamespaceKeys, stand: Stand, pools: PoolsOf) -> None:
    serve(client, shared, "a", 2)
    stand("leader")

    wait_until(lambda: len(pools.health()["payment"].queue_depth_samples) == 10 if pools.health() else False)
    health = pools.health()["payment"]
    assert ((0,) * 10, False, 2, 2) == (
        health.queue_depth_samples, health.queue_draining, health.current_workers, health.target_workers,
    )  # fmt: skip


def test_the_pool_of_a_drained_domain_stops_when_nothing_is_left_and_starts_when_it_is_undrained(
    client: Client, redis: Driver, shared: NamespaceKeys, stand: Stand
) -> None:
    serve(client, shared, "a", 2)
    keys = domain_keys(shared.namespace, "payment")
    limits = LimitsOf(client, lambda _: keys)
    redis.zadd(keys.scheduled, {b"n" + b"job": 2_000_000_000_000})
    limits.drain("payment")
    stand("leader")
    wait_until(lambda: target(client, shared).workers == 2)

    redis.delete(keys.scheduled)

    wait_until(lambda: target(client, shared).workers == 0)
    assert "it is drained, and nothing is left" == target(client, shared).reason
    limits.drain("payment", draining=False)
    wait_until(lambda: target(client, shared).workers == 2)
