"""enqueue: accepted jobs are where they belong, once per numbered call; a refused call has written nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.commands.enqueue import where
from heijunka.errors import RedisFull, ScriptError, WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Held, Snapshot, snapshot
from tests.lua.scripts.numbered import copy_of

NOW = Milliseconds(1_700_000_000_000)


def test_a_job_for_now_waits_in_its_stream_and_wakes_one_worker(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    job = sample()

    accepted = client.execute(commands.enqueue(keys, [where("normal"), job], now=NOW))

    assert commands.Accepted(NOW) == accepted
    assert Snapshot(
        ready_normal=(Held(job),), stats={"enqueued": 1}, bell=1, sessions=(b"1 1700000000000",)
    ) == snapshot(redis, keys)
    assert "accepted" == heard[-1]


def test_a_delayed_job_is_scheduled_and_wakes_the_promoter_alone(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    job = sample()

    client.execute(commands.enqueue(keys, [where("low", delay_ms=1_500), job], now=NOW))

    assert Snapshot(
        scheduled=((NOW + 1_500, "l", job),), stats={"enqueued": 1}, wake=1, sessions=(b"1 1700000000000",)
    ) == snapshot(redis, keys)


def test_one_call_takes_jobs_of_all_priorities_and_times_and_rings_once(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    jobs = samples(6)
    places = [
        where("high"),
        where("low"),
        where("normal"),
        where("high", at_ms=NOW + 1),
        where("high"),
        where("low", at_ms=NOW + 9_000),
    ]

    client.execute(commands.enqueue(keys, [each for pair in zip(places, jobs, strict=True) for each in pair], now=NOW))

    assert Snapshot(
        ready_high=(Held(jobs[0]), Held(jobs[4])),
        ready_low=(Held(jobs[1]),),
        ready_normal=(Held(jobs[2]),),
        scheduled=((NOW + 1, "h", jobs[3]), (NOW + 9_000, "l", jobs[5])),
        stats={"enqueued": 6},
        bell=1,
        wake=1,
        sessions=(b"1 1700000000000",),
    ) == snapshot(redis, keys)


@pytest.mark.parametrize("place", ["n@1699999999999", "n@1700000000000", "n@0", "n+0"])
def test_a_moment_that_has_come_is_now(client: Executor, redis: Driver, keys: DomainKeys, place: str) -> None:
    job = sample()

    client.execute(commands.enqueue(keys, [place, job], now=NOW))

    assert (Held(job),) == snapshot(redis, keys).ready_normal
    assert () == snapshot(redis, keys).scheduled


def test_bells_that_were_rung_are_not_rung_again(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    for _ in range(3):
        client.execute(commands.enqueue(keys, ["n", sample(), "n+5", sample()], now=NOW))

    assert (1, 1) == (snapshot(redis, keys).bell, snapshot(redis, keys).wake)


def test_zero_as_the_time_is_the_servers_clock(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job = sample()
    before = redis.time()[0] * 1_000

    accepted = client.execute(commands.enqueue(keys, ["n", job, "n+60000", sample()]))

    assert isinstance(accepted, commands.Accepted)
    assert before <= accepted.at_ms <= redis.time()[0] * 1_000 + 999
    assert accepted.at_ms + 60_000 == snapshot(redis, keys).scheduled[0][0]
    assert accepted.at_ms <= int(redis.xrange(keys.ready[1])[0][0].split(b"-")[0])


def test_a_call_for_now_is_told_the_time_of_its_first_entry(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    """Who looks for a job later need not look at what came before."""
    jobs = samples(1_000)

    accepted = client.execute(commands.enqueue(keys, [each for job in jobs for each in ("n", job)]))

    first = int(redis.xrange(keys.ready[1], count=1)[0][0].split(b"-")[0])
    last = int(redis.xrevrange(keys.ready[1], count=1)[0][0].split(b"-")[0])
    assert commands.Accepted(first) == accepted
    assert first <= last
    assert (b"1 %d" % first,) == snapshot(redis, keys).sessions


def test_a_call_that_is_repeated_is_answered_from_memory(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    """The reply was lost; the caller sends the same numbered call again."""
    call = commands.enqueue(keys, ["n", sample(), "n+5", sample()], now=NOW)
    first = client.execute(copy_of(call, keys, number=7))
    before = snapshot(redis, keys)

    again = client.execute(copy_of(call, keys, number=7))

    assert commands.Accepted(NOW) == first == again
    assert before == snapshot(redis, keys)


def test_a_repeated_call_is_told_the_first_ones_time(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    earlier, later = (commands.enqueue(keys, ["n", sample()], now=Milliseconds(NOW + ms)) for ms in (0, 5_000))
    client.execute(copy_of(earlier, keys, number=1))

    again = client.execute(copy_of(later, keys, number=1))

    assert commands.Accepted(NOW) == again


def test_a_copy_that_was_overtaken_does_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    """It hung in a network while its caller sent it again and went on."""
    late = commands.enqueue(keys, ["n", sample()], now=NOW)
    client.execute(copy_of(late, keys, number=9))
    client.execute(copy_of(late, keys, number=10))
    before = snapshot(redis, keys)

    stale = client.execute(copy_of(late, keys, number=9))

    assert commands.Overtaken() == stale
    assert before == snapshot(redis, keys)
    assert "stale" == heard[-1]


def test_numbers_are_compared_as_numbers(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    """ "10" comes before "9" in text."""
    call = commands.enqueue(keys, ["n", sample()], now=NOW)
    client.execute(copy_of(call, keys, number=9))

    assert commands.Accepted(NOW) == client.execute(copy_of(call, keys, number=10))
    assert 2 == len(snapshot(redis, keys).ready_normal)


def test_callers_do_not_know_of_each_other(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    command = commands.enqueue(keys, ["n", sample()], now=NOW)

    client.execute(copy_of(command, keys, number=1, caller="one"))
    client.execute(copy_of(command, keys, number=1, caller="two"))

    assert 2 == len(snapshot(redis, keys).ready_normal)


def test_a_callers_memory_outlives_any_repetition(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    client.execute(copy_of(commands.enqueue(keys, ["n", sample()], now=NOW), keys, number=1, caller="producer"))

    assert 599_000 < redis.pttl(f"{keys.sessions}producer") <= 600_000


def test_a_bounded_domain_says_how_full_it_is(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    redis.hset(keys.limits, "rule", "12,9,10")

    accepted = client.execute(commands.enqueue(keys, ["n", sample(), "h", sample(), "l+5", sample()], now=NOW))

    assert commands.Accepted(NOW, commands.Gauge(load=2, soft=10, hard=12, share=9)) == accepted
    assert {"admitted_n": 1, "admitted_h": 1, "admitted_l": 1} == snapshot(redis, keys).stats
    assert "admitted" == heard[-1]


def test_a_refused_call_has_written_no_job_and_is_counted(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    """All or nothing: one normal job too many keeps out the high ones beside it."""
    redis.hset(keys.limits, "rule", "5,2,4")
    call = commands.enqueue(keys, ["h", sample(), "n", sample(), "n", sample(), "n", sample()], now=NOW)

    refused, again = (client.execute(copy_of(call, keys, number=1)) for _ in range(2))

    assert commands.Refused("reserve", commands.Gauge(load=0, soft=4, hard=5, share=2)) == refused == again
    assert "refused" == heard[-1]
    assert {"refused_reserve_h": 1, "refused_reserve_n": 3} == snapshot(redis, keys).stats
    assert (0, ()) == (snapshot(redis, keys).bell, snapshot(redis, keys).ready_high)


def test_in_part_a_call_is_told_which_jobs_were_refused_and_why(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    redis.hset(keys.limits, "rule", "3,1,2")
    jobs = samples(5)
    flat = [each for pair in zip("nnhhh", jobs, strict=True) for each in pair]

    accepted = client.execute(commands.enqueue(keys, flat, partial=True, now=NOW))

    gauge = commands.Gauge(load=3, soft=2, hard=3, share=1)
    assert commands.Accepted(NOW, gauge, ((1, "reserve"), (4, "hard"))) == accepted
    assert ((Held(jobs[0]),), (Held(jobs[2]), Held(jobs[3]))) == (
        snapshot(redis, keys).ready_normal,
        snapshot(redis, keys).ready_high,
    )
    assert {
        "admitted_n": 1,
        "admitted_h": 2,
        "soft_h": 1,
        "refused_reserve_n": 1,
        "refused_hard_h": 1,
    } == snapshot(redis, keys).stats


def test_a_domain_that_is_drained_takes_nothing(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.hset(keys.limits, "rule", "-,-,-,draining")

    refused = client.execute(commands.enqueue(keys, ["h", sample()], now=NOW))

    assert commands.Refused("draining", commands.Gauge(load=0)) == refused


def test_delayed_jobs_need_room_and_take_none(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.hset(keys.limits, "rule", "2,2,2")
    many = [each for _ in range(5) for each in ("n+5000", sample())]

    accepted = client.execute(commands.enqueue(keys, [*many, "n", sample(), "n", sample()], now=NOW))
    refused = client.execute(commands.enqueue(keys, many, now=NOW))

    assert isinstance(accepted, commands.Accepted)
    assert isinstance(refused, commands.Refused)
    assert 5 == len(snapshot(redis, keys).scheduled)


def test_the_pace_is_measured_while_there_is_pressure(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    """Jobs that ended between two looks a second or more apart, blended half and half with what was known."""
    redis.hset(keys.limits, "rule", "1,1,1")
    client.execute(commands.enqueue(keys, ["n", sample()], now=NOW))
    paces = []
    for seconds, ends in ((0, 0), (2, 100), (2.5, 400), (4, 200), (60, 900)):
        redis.hset(keys.stats, "ack", ends)
        refused = client.execute(commands.enqueue(keys, ["n", sample()], now=Milliseconds(NOW + int(seconds * 1_000))))
        assert isinstance(refused, commands.Refused)
        paces.append(refused.gauge.pace)

    assert [None, 50.0, 50.0, 50.0, 50.0] == paces


def test_who_will_wait_for_room_is_noted_and_wakes_the_next_when_admitted(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    redis.hset(keys.limits, "rule", "1,1,1")
    client.execute(commands.enqueue(keys, ["n", sample()], now=NOW))
    client.execute(commands.enqueue(keys, ["n", sample()], waits_ms=5_000, now=NOW))
    assert (str(NOW + 5_000), 0) == (snapshot(redis, keys).limits["waiting"], snapshot(redis, keys).room)
    redis.hset(keys.limits, "rule", "9,9,9")

    client.execute(commands.enqueue(keys, ["n", sample()], waits_ms=5_000, now=NOW))

    assert 1 == snapshot(redis, keys).room


@pytest.mark.parametrize("place", ["x", "", "n5", "n+", "n@", "n+5x", "n-5", "nn", "N", "h+1.5", "h@1e3"])
def test_a_place_that_does_not_exist_is_refused_before_anything_is_written(
    client: Executor, redis: Driver, keys: DomainKeys, place: str
) -> None:
    with pytest.raises(ScriptError, match="no place is called"):
        client.execute(commands.enqueue(keys, ["n", sample(), "n+5", sample(), place, sample()], now=NOW))

    assert Snapshot() == snapshot(redis, keys)


def test_a_place_without_a_job_is_refused_before_anything_is_written(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    with pytest.raises(ScriptError, match="a place without a job"):
        client.execute(commands.enqueue(keys, ["n", sample(), "n"], now=NOW))

    assert Snapshot() == snapshot(redis, keys)


@needs_server
@pytest.mark.parametrize("name", ["stats", "bell", "wake", "scheduled", "ready_high", "ready_normal", "ready_low"])
def test_a_key_of_another_type_leaves_nothing_half_written(
    client: Executor, redis: Driver, keys: DomainKeys, name: str
) -> None:
    key = dict(zip(("ready_high", "ready_normal", "ready_low"), keys.ready, strict=True)).get(name) or getattr(
        keys, name
    )
    redis.set(key, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(commands.enqueue(keys, [x for p in ("h", "n", "l", "n+5") for x in (p, sample())], now=NOW))

    assert before == snapshot(redis, keys)


@needs_server
def test_a_key_of_another_type_that_the_call_does_not_need_is_no_trouble(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    redis.set(keys.ready[2], "somebody else's")

    assert commands.Accepted(NOW) == client.execute(commands.enqueue(keys, ["h", sample()], now=NOW))


@needs_server
def test_a_full_redis_refuses_jobs_and_has_written_nothing(
    fresh_server: Callable[..., Server], keys: DomainKeys
) -> None:
    server = fresh_server(maxmemory="1")

    with Client(server.url) as client, server.driver() as redis:
        with pytest.raises(RedisFull):
            client.execute(commands.enqueue(keys, ["n", sample()]))

        assert Snapshot() == snapshot(redis, keys)


@needs_server
def test_a_server_that_forgot_the_script_is_given_it_again(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    for _ in range(3):
        redis.script_flush()
        client.execute(commands.enqueue(keys, ["n", sample()], now=NOW))

    assert 3 == len(snapshot(redis, keys).ready_normal)
    assert {"enqueued": 3} == snapshot(redis, keys).stats


@needs_server
def test_a_thousand_jobs_go_in_one_call(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    jobs = samples(1_000)

    client.execute(commands.enqueue(keys, [each for job in jobs for each in ("n", job)], now=NOW))

    assert tuple(map(Held, jobs)) == snapshot(redis, keys).ready_normal
    assert {"enqueued": 1_000} == snapshot(redis, keys).stats
