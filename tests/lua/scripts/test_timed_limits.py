"""Limits that are given as time: what they are worth is measured, and the script and the library agree on it."""

from __future__ import annotations

import random

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Accepted, Granted, Refused
from heijunka.keys import DomainKeys
from heijunka.policies.admission import Limits, Span, in_jobs, spelled
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver

NOW = 1_700_000_000_000


def at(seconds: float) -> Milliseconds:
    return Milliseconds(NOW + round(seconds * 1_000))


def test_the_script_and_the_library_make_the_same_of_a_time(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    draw = random.Random(5)
    for _ in range(300):
        spans = [Span(draw.randint(100, 7 * 86_400_000)) for _ in range(2)]
        soft = draw.choice([spans[0], draw.randint(1, 5_000), None])
        limits = Limits(soft, spans[1] if soft is None else draw.choice([spans[1], None]), draw.choice([0, 0.1, 0.25]))
        rate = draw.choice([None, round(draw.uniform(0, 10_000), 3)])
        redis.hset(keys.limits, "rule", spelled(limits))
        redis.hset(keys.limits, "throughput", f"{-1 if rate is None else rate:.3f}")

        gauge = client.execute(commands.weigh(keys))

        assert gauge is not None
        expected = in_jobs(limits, rate)
        assert (expected.soft, expected.hard, expected.share) == (gauge.soft, gauge.hard, gauge.share), (limits, rate)


@needs_server
def test_throughput_is_measured_while_jobs_wait_and_limits_follow(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """Windows of a second: an idle one lowers nothing, a busy one counts half."""
    redis.hset(keys.limits, "rule", spelled(Limits(None, Span(10_000), 0.0)))
    seed.waiting(7, *samples(3))
    hards = []
    for seconds, ends in ((0, 0), (1, 20), (2, 60), (2.5, 900), (3, 60), (40, 90)):
        redis.hset(keys.stats, "ack", ends)
        reply = client.execute(commands.enqueue(keys, ["n", sample()], now=at(seconds)))
        assert isinstance(reply, Accepted | Refused)
        assert reply.gauge is not None
        hards.append(reply.gauge.hard)

    assert [1_200, 200, 300, 300, 150, 150] == hards


@needs_server
def test_what_ends_while_nothing_waits_is_no_throughput_but_more_than_was_known_is(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(None, Span(10_000), 0.0)))
    hards = []
    for seconds, ends, known in ((0, 0, None), (1, 1, None), (2, 2, "10.000"), (3, 22, None)):
        redis.hset(keys.stats, "ack", ends)
        if known:
            redis.hset(keys.limits, "throughput", known)
        reply = client.execute(commands.grant(keys, f"n{seconds}", ttl_ms=5_000, now=at(seconds)))
        assert isinstance(reply, Granted)
        assert reply.gauge is not None
        hards.append(reply.gauge.hard)

    assert [1_200, 1_200, 100, 150] == hards


@needs_server
def test_work_of_more_than_the_time_is_refused(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(None, Span(2_000), 0.0)))
    redis.hset(keys.limits, mapping={"throughput": "1.500", "busy_at": NOW, "busy_ends": 0, "busy_waited": 1})
    replies = [client.execute(commands.enqueue(keys, ["n", sample()], now=at(0.1))) for _ in range(4)]

    assert [Accepted, Accepted, Accepted, Refused] == [type(reply) for reply in replies]
    assert 3 == redis.xlen(keys.ready[1])


@pytest.mark.parametrize("limits", [Limits(None, Span(2_000), 0.0), Limits(Span(2_000), None, 0.0)])
def test_there_is_no_slack_where_limits_move(client: Executor, redis: Driver, keys: DomainKeys, limits: Limits) -> None:
    redis.hset(keys.limits, "rule", spelled(limits))

    client.execute(commands.enqueue(keys, ["n", sample()], now=at(0)))

    assert redis.hget(keys.limits, "slack") is None
