"""Slack: single jobs are taken without reading all that holds work, never past a limit, and told no old load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heijunka import commands
from heijunka.broker.command import Command
from heijunka.clock import Milliseconds
from heijunka.commands import Accepted, Gauge, Overtaken, Refused
from heijunka.commands.limit import limit
from heijunka.keys import DomainKeys
from heijunka.policies.admission import Limits, spelled
from tests.fixtures.fake import Executor
from tests.fixtures.samples import sample
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver

NOW = Milliseconds(1_700_000_000_000)
Answer = Accepted | Refused | Overtaken
LATER = Milliseconds(NOW + 101)


def one(keys: DomainKeys, place: str = "n", now: Milliseconds = NOW) -> Command[Answer]:
    return commands.enqueue(keys, [place, sample()], now=now)


def gauge(reply: object) -> Gauge:
    assert isinstance(reply, Accepted)
    assert reply.gauge is not None
    return reply.gauge


@pytest.fixture
def bounded(redis: Driver, keys: DomainKeys) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(50, 100, 0.0)))


@pytest.mark.usefixtures("bounded")
def test_a_single_job_leaves_slack_for_more_like_it(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    loads = [gauge(client.execute(one(keys))).load for _ in range(60)]

    assert list(range(1, 61)) == loads
    assert {b"admitted_n": b"60", b"soft_n": b"10"} == redis.hgetall(keys.stats)


@pytest.mark.usefixtures("bounded")
def test_with_slack_the_streams_are_not_read(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    """What came behind its back is not seen until it is over: proof that it was used, and for how long."""
    client.execute(one(keys))
    seed.waiting(7, sample(), sample())

    assert 2 == gauge(client.execute(one(keys))).load
    assert 5 == gauge(client.execute(one(keys, now=LATER))).load
    assert redis.hget(keys.limits, "slack") is None


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("place", ["h", "l", "n+5"])
def test_other_calls_look_for_themselves(client: Executor, keys: DomainKeys, seed: Seed, place: str) -> None:
    client.execute(one(keys))
    seed.waiting(7, sample())

    assert 2 + (place != "n+5") == gauge(client.execute(one(keys, place))).load


OTHERS: dict[str, Callable[[DomainKeys], Command[Any]]] = {
    "bulk": lambda keys: commands.enqueue(keys, ["n", sample(), "n", sample()], now=NOW),
    "lease": lambda keys: commands.grant(keys, "n1", ttl_ms=1_000, now=NOW),
    "promote": lambda keys: commands.promote(keys, now=Milliseconds(NOW + 5_000)),
    "limit": lambda keys: limit(keys, 0, {"rule": "9,9,9"}),
}


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("which", OTHERS)
def test_whatever_else_brings_work_takes_it_away(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, which: str
) -> None:
    client.execute(one(keys))
    seed.scheduled("n", NOW + 5, sample())
    assert redis.hget(keys.limits, "slack") is not None

    client.execute(OTHERS[which](keys))

    assert redis.hget(keys.limits, "slack") is None


@pytest.mark.usefixtures("bounded")
def test_counters_that_were_emptied_make_no_room(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    """Somebody deletes the counters: the slack of a counter that stood at 1,000 is no licence for a thousand jobs."""
    redis.hset(keys.stats, "admitted_n", 1_000)
    client.execute(one(keys))
    redis.delete(keys.stats)

    replies = [client.execute(one(keys)) for _ in range(110)]

    assert (99, 11) == tuple(sum(isinstance(reply, kind) for reply in replies) for kind in (Accepted, Refused))
