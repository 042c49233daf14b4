"""settle: each outcome has its whole effect once, alone or in a batch, however often the call is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.commands import Entry, Settled
from heijunka.commands.settle import Outcome
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples, text_of
from tests.fixtures.seed import GROUP, HIGH, LOW, NORMAL, RETURNED_HIGH, RETURNED_LOW, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Held, Letter, Snapshot, snapshot
from tests.lua.scripts.numbered import copy_of
from tests.lua.scripts.outcomes import ALONE, NOW, RETRIED, SETTLED, dead, done, dropped, settle, take_away

pytestmark = needs_server


# -- each outcome --------------------------------------------------------------------------------


def test_an_acked_job_is_gone(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]) -> None:
    entry = seed.holding("w1")

    assert SETTLED == settle(client, keys, commands.ack(entry))
    assert ALONE.but(stats={"ack": 1}) == snapshot(redis, keys)
    assert "settled" == heard[-1]


def test_a_done_jobs_result_is_kept_for_its_time(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    entry = seed.holding("w1")

    assert SETTLED == settle(client, keys, done(entry))
    assert ALONE.but(stats={"done": 1}, results={text_of(entry.job): b"the result"}) == snapshot(redis, keys)
    assert 59_000 < redis.pttl(keys.result(text_of(entry.job))) <= 60_000


def test_a_dropped_job_is_gone_and_its_record_is_kept_for_who_waits(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert SETTLED == settle(client, keys, dropped(entry))
    assert ALONE.but(stats={"dropped": 1}, results={text_of(entry.job): b"the failure"}) == snapshot(redis, keys)


def test_a_done_job_whose_result_nobody_wants_is_gone(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert SETTLED == settle(client, keys, done(entry, keep_ms=0))
    assert ALONE.but(stats={"done": 1}) == snapshot(redis, keys)


@pytest.mark.parametrize(("end", "record"), [(done, b"the result"), (dropped, b"the failure"), (dead, b"the failure")])
def test_the_end_of_a_job_is_announced_to_who_waits_and_can_be_read_then(
    client: Executor,
    redis: Driver,
    keys: DomainKeys,
    seed: Seed,
    *,
    end: Callable[[Entry], Outcome],
    record: bytes,
) -> None:
    entry = seed.holding("w1")
    channel = keys.result(text_of(entry.job))
    with redis.pubsub(ignore_subscribe_messages=False) as waiting:
        waiting.subscribe(channel)
        assert "subscribe" == waiting.get_message(timeout=10)["type"]

        settle(client, keys, end(entry))

        assert {"type": "message", "pattern": None, "channel": channel.encode(), "data": b""} == waiting.get_message(
            timeout=10
        )
        assert record == redis.get(channel)


@pytest.mark.parametrize("verb", ["retry", "snooze"])
def test_a_job_for_later_waits_for_its_time(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, verb: str
) -> None:
    entry, following = seed.holding("w1"), sample(attempt=2)

    assert SETTLED == settle(client, keys, getattr(commands, verb)(entry, where="l+700", job=following))
    assert ALONE.but(
        stats={verb: 1}, scheduled=((NOW + 700, "l", following),), wake=1, budget=RETRIED if verb == "retry" else ()
    ) == snapshot(redis, keys)


@pytest.mark.parametrize("verb", ["retry", "snooze"])
def test_a_job_for_now_waits_in_the_stream_of_its_priority(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, verb: str
) -> None:
    entry, following = seed.holding("w1"), sample(attempt=2)

    assert SETTLED == settle(client, keys, getattr(commands, verb)(entry, where="h", job=following))
    assert ALONE.but(
        stats={verb: 1}, ready_high=(Held(following),), bell=1, budget=RETRIED if verb == "retry" else ()
    ) == snapshot(redis, keys)


def test_a_dead_job_is_a_letter_and_who_waits_is_told(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert SETTLED == settle(client, keys, dead(entry))
    assert ALONE.but(
        stats={"dead": 1},
        dead=(Letter(entry.job, "retries", b"the failure"),),
        results={text_of(entry.job): b"the failure"},
    ) == snapshot(redis, keys)
    assert 59_000 < redis.pttl(keys.result(text_of(entry.job))) <= 60_000


def test_a_dead_job_whose_result_nobody_wants_is_a_letter_alone(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert SETTLED == settle(client, keys, dead(entry, keep_ms=0))
    assert ALONE.but(stats={"dead": 1}, dead=(Letter(entry.job, "retries", b"the failure"),)) == snapshot(redis, keys)


@pytest.mark.parametrize(
    ("source", "home"),
    [
        (RETURNED_HIGH, "returned_high"),
        (HIGH, "returned_high"),
        (RETURNED_NORMAL, "returned_normal"),
        (NORMAL, "returned_normal"),
        (RETURNED_LOW, "returned_low"),
        (LOW, "returned_low"),
    ],
)
def test_a_released_job_waits_before_the_others_of_its_priority(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, source: int, home: str
) -> None:
    entry = seed.holding("w1", source)

    assert SETTLED == settle(client, keys, commands.release(entry))
    assert ALONE.but(**{home: (Held(entry.job),)}, stats={"release": 1}, bell=1) == snapshot(redis, keys)


def test_a_released_suspect_stays_one_with_all_that_was_charged(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1", SUSPECTS, deliveries=2)

    assert SETTLED == settle(client, keys, commands.release(entry))
    assert ALONE.but(suspects=(Held(entry.job, None, 2, "n"),), stats={"release": 1}, bell=1) == snapshot(redis, keys)


def test_a_released_job_is_another_entry(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    """The entry id is what fences: who held it before must not be able to end it."""
    entry = seed.holding("w1", RETURNED_HIGH)
    settle(client, keys, commands.release(entry))
    [[_, [[again, _]]]] = redis.xreadgroup(GROUP, "w2", {keys.returned[0]: ">"})

    assert entry.id != again
    assert Settled(fenced=(0,), replayed=False) == settle(client, keys, commands.ack(entry))
    assert "w2" == snapshot(redis, keys).returned_high[0].by


# -- batches -------------------------------------------------------------------------------------


def test_a_batch_settles_every_kind_at_once_and_rings_each_bell_once(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    high = seed.held("w1", HIGH, *samples(4))
    low = seed.held("w1", LOW, *samples(5))
    second, third, fourth, fifth = (sample(attempt=2) for _ in range(4))

    settled = settle(
        client,
        keys,
        commands.ack(high[0]),
        done(high[1]),
        commands.retry(high[2], where="h+5", job=second),
        commands.retry(high[3], where="h", job=third),
        commands.snooze(low[0], where="l@1700000009999", job=fourth),
        commands.snooze(low[1], where="l", job=fifth),
        dead(low[2]),
        commands.release(low[3]),
        commands.ack(low[4]),
    )

    assert SETTLED == settled
    assert ALONE.but(
        ready_high=(Held(third),),
        returned_low=(Held(low[3].job),),
        ready_low=(Held(fifth),),
        scheduled=((NOW + 5, "h", second), (NOW + 9_999, "l", fourth)),
        dead=(Letter(low[2].job, "retries", b"the failure"),),
        results={text_of(high[1].job): b"the result", text_of(low[2].job): b"the failure"},
        bell=1,
        wake=1,
        stats={"ack": 2, "done": 1, "retry": 2, "snooze": 2, "dead": 1, "release": 1},
        budget=(49_800, NOW, 0),
    ) == snapshot(redis, keys)


def test_an_empty_batch_changes_nothing(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert SETTLED == settle(client, keys)
    assert Snapshot(sessions=(b"1 ",)) == snapshot(redis, keys)


def test_five_hundred_outcomes_go_in_one_call(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.worker("w1")
    entries = seed.held("w1", NORMAL, *samples(500))

    assert SETTLED == settle(client, keys, *(dead(entry, keep_ms=0) for entry in entries))
    assert [entry.job for entry in entries] == [letter.job for letter in snapshot(redis, keys).dead]


def test_the_servers_clock_decides_when_no_time_is_given(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")
    before = redis.time()[0] * 1_000

    client.execute(commands.settle(keys, [commands.retry(entry, where="n+60000", job=entry.job)]))

    due = snapshot(redis, keys).scheduled[0][0]
    assert before <= due - 60_000 <= redis.time()[0] * 1_000 + 999


# -- numbered calls ------------------------------------------------------------------------------


def test_a_call_that_is_repeated_is_answered_from_memory(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    """Without it the second call would find everything settled and be told that all was taken away."""
    seed.worker("w1")
    kept, lost, retried = seed.held("w1", NORMAL, *samples(3))
    take_away(redis, keys, lost)
    outcomes = [done(kept), dead(lost), commands.retry(retried, where="n", job=retried.job)]
    call = copy_of(commands.settle(keys, outcomes, now=NOW), keys, number=3)
    first = client.execute(call)
    before = snapshot(redis, keys)

    again = client.execute(call)

    assert [Settled((1,), replayed=False), Settled((1,), replayed=True)] == [first, again]
    assert ["settled", "replayed"] == heard
    assert before == snapshot(redis, keys)


def test_a_repeated_call_that_was_refused_nothing_is_refused_nothing_again(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    call = copy_of(commands.settle(keys, [commands.ack(seed.holding("w1"))], now=NOW), keys, number=3)
    client.execute(call)

    assert Settled((), replayed=True) == client.execute(call)


def test_a_copy_that_was_overtaken_does_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("w1")
    first, second = seed.held("w1", NORMAL, *samples(2))
    client.execute(copy_of(commands.settle(keys, [commands.ack(first)], now=NOW), keys, number=10))
    before = snapshot(redis, keys)

    late = client.execute(copy_of(commands.settle(keys, [commands.ack(second)], now=NOW), keys, number=9))

    assert Settled((), replayed=False, overtaken=True) == late
    assert "stale" == heard[-1]
    assert before == snapshot(redis, keys)


# -- runs of outcomes ----------------------------------------------------------------------------


def test_of_a_run_that_was_taken_away_in_part_the_rest_is_settled_and_the_others_are_named_by_their_places(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    entries = [*seed.held("w1", NORMAL, *samples(4)), *seed.held("w1", HIGH, *samples(2))]
    take_away(redis, keys, entries[1])
    take_away(redis, keys, entries[5])

    settled = settle(client, keys, *map(commands.ack, entries))

    assert Settled(fenced=(1, 5), replayed=False) == settled
    assert ALONE.but(stats={"ack": 4}, sessions=(b"1 2 6",)) == snapshot(redis, keys)


def test_the_same_entry_twice_in_one_run_is_settled_once(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert Settled(fenced=(1,), replayed=False) == settle(client, keys, commands.ack(entry), commands.ack(entry))
    assert ALONE.but(stats={"ack": 1}, sessions=(b"1 2",)) == snapshot(redis, keys)
