"""weigh: how full a domain is, read without touching anything."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Gauge
from heijunka.keys import DomainKeys
from heijunka.policies.admission import Limits, spelled
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot

NOW = Milliseconds(1_700_000_000_000)


def test_where_nothing_bounds_a_domain_nothing_is_weighed(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.waiting(3, sample())

    assert client.execute(commands.weigh(keys, now=NOW)) is None
    assert ["unbounded"] == heard


@pytest.mark.parametrize("source", range(1, 8))
def test_every_source_counts(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, source: int) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(1_000, 1_200)))
    seed.waiting(source, *samples(3))

    assert Gauge(3, 1_000, 1_200, 960) == client.execute(commands.weigh(keys, now=NOW))


@needs_server
def test_what_workers_hold_counts(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(None, 10, 0.0)))
    seed.holding("w1")

    assert Gauge(1, None, 10, 10) == client.execute(commands.weigh(keys, now=NOW))


def test_leases_count_until_they_are_over_and_scheduled_jobs_do_not(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    """What is over stays where it is: who only looks changes nothing."""
    redis.hset(keys.limits, "rule", spelled(Limits(5)))
    redis.zadd(keys.leases, {"na": NOW, "hb": -NOW, "nc": NOW + 1, "hd": -(NOW + 1), "le": NOW + 1})
    seed.scheduled("n", NOW + 5, sample())
    before = snapshot(redis, keys)

    assert Gauge(3, 5) == client.execute(commands.weigh(keys, now=NOW))
    assert before == snapshot(redis, keys)
    assert ["bounded"] == heard
