"""settle: each outcome has its whole effect once, or, when the job was taken away, none of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.clock import Milliseconds
from heijunka.commands import Entry, Settled
from heijunka.commands.settle import Outcome
from heijunka.errors import ScriptError, WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples, text_of
from tests.fixtures.seed import (
    GROUP,
    HIGH,
    LOW,
    NORMAL,
    RETURNED_HIGH,
    RETURNED_LOW,
    RETURNED_NORMAL,
    Seed,
)
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Held, Letter, Snapshot, snapshot

pytestmark = needs_server

NOW = Milliseconds(1_700_000_000_000)
EXPIRES = 2_000_000_000_000
SETTLED = Settled(fenced=(), replayed=False)
ALONE = Snapshot(workers={"w1": EXPIRES}, sessions=(b"1 ",))
"""What is left when a worker has settled its only job, but for the job."""


def done(entry: Entry, keep_ms: int = 60_000) -> Outcome:
    return commands.done(entry, text_of(entry.job), keep_ms=keep_ms, result=b"the result")


def dead(entry: Entry, keep_ms: int = 60_000) -> Outcome:
    return commands.dead(
        entry, text_of(entry.job), keep_ms=keep_ms, failure=b"the failure", reason="retries", job=entry.job
    )


def take_away(redis: Driver, keys: DomainKeys, entry: Entry) -> None:
    """What recover does to an entry, but for its return."""
    stream = keys.sources[entry.source - 1]
    redis.xack(stream, GROUP, entry.id)
    redis.xdel(stream, entry.id)


def numbered(command: Command[Settled], session: str, number: int) -> Command[Settled]:
    """One and the same call, as it is sent again after a lost reply."""
    assert command.sessions is not None
    keys = (command.sessions + session, *command.keys)
    return Command(command.script, keys=keys, args=(number, *command.args), read=command.read)


def settle(client: Executor, keys: DomainKeys, *outcomes: Outcome) -> Settled:
    return client.execute(commands.settle(keys, outcomes, now=NOW))


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


def test_a_done_job_whose_result_nobody_wants_is_gone(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert SETTLED == settle(client, keys, done(entry, keep_ms=0))
    assert ALONE.but(stats={"done": 1}) == snapshot(redis, keys)


@pytest.mark.parametrize(("end", "record"), [(done, b"the result"), (dead, b"the failure")])
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
    assert ALONE.but(stats={verb: 1}, scheduled=((NOW + 700, "l", following),), wake=1) == snapshot(redis, keys)


@pytest.mark.parametrize("verb", ["retry", "snooze"])
def test_a_job_for_now_waits_in_the_stream_of_its_priority(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, verb: str
) -> None:
    entry, following = seed.holding("w1"), sample(attempt=2)

    assert SETTLED == settle(client, keys, getattr(commands, verb)(entry, where="h", job=following))
    assert ALONE.but(stats={verb: 1}, ready_high=(Held(following),), bell=1) == snapshot(redis, keys)


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


# -- fences --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome",
    [
        commands.ack,
        done,
        dead,
        commands.release,
        lambda entry: commands.retry(entry, where="n+5", job=entry.job),
        lambda entry: commands.snooze(entry, where="n", job=entry.job),
    ],
    ids=["ack", "done", "dead", "release", "retry", "snooze"],
)
def test_a_job_that_was_taken_away_is_not_settled_in_any_way(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, outcome: Callable[[Entry], Outcome]
) -> None:
    entry = seed.holding("w1")
    take_away(redis, keys, entry)

    assert Settled(fenced=(0,), replayed=False) == settle(client, keys, outcome(entry))
    assert ALONE.but(sessions=(b"1 1",)) == snapshot(redis, keys)


def test_the_fence_refuses_what_was_taken_away_and_nothing_else_of_the_batch(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    entries = seed.held("w1", NORMAL, *samples(5))
    for lost in (entries[0], entries[3]):
        take_away(redis, keys, lost)

    settled = settle(client, keys, *(done(entry) for entry in entries))

    assert Settled(fenced=(0, 3), replayed=False) == settled
    assert ALONE.but(
        stats={"done": 3},
        results={text_of(entries[at].job): b"the result" for at in (1, 2, 4)},
        sessions=(b"1 1 4",),
    ) == snapshot(redis, keys)


def test_one_outcome_ends_an_attempt_and_a_second_is_refused(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert Settled(fenced=(1,), replayed=False) == settle(client, keys, commands.ack(entry), dead(entry))
    assert ALONE.but(stats={"ack": 1}, sessions=(b"1 2",)) == snapshot(redis, keys)


def test_the_same_entry_id_in_another_stream_is_another_job(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert Settled((0,), replayed=False) == settle(client, keys, commands.ack(Entry(HIGH, entry.id, entry.job, "h")))
    assert (Held(entry.job, by="w1"),) == snapshot(redis, keys).ready_normal


def test_an_entry_that_was_never_pulled_is_refused(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    job = sample()
    seed.worker("w1")
    seed.waiting(NORMAL, job)
    [[entry, _]] = redis.xrange(keys.ready[1])

    assert Settled((0,), replayed=False) == settle(client, keys, commands.ack(Entry(NORMAL, entry, job, "n")))
    assert (Held(job),) == snapshot(redis, keys).ready_normal


def test_after_a_flush_everything_is_refused_and_nothing_comes_back(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")
    for key in redis.scan_iter(match=f"{keys.tag}*"):
        redis.delete(key)

    assert Settled((0, 1), replayed=False) == settle(client, keys, commands.release(entry), dead(entry))
    assert Snapshot(sessions=(b"1 1 2",)) == snapshot(redis, keys)


def test_a_released_job_that_somebody_deleted_does_not_come_back(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")
    redis.xdel(keys.ready[1], entry.id)

    assert SETTLED == settle(client, keys, commands.release(entry))
    assert ALONE.but(stats={"release": 1}) == snapshot(redis, keys)


# -- numbered calls ------------------------------------------------------------------------------


def test_a_call_that_is_repeated_is_answered_from_memory(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    """Without it the second call would find everything settled and be told that all was taken away."""
    seed.worker("w1")
    kept, lost, retried = seed.held("w1", NORMAL, *samples(3))
    take_away(redis, keys, lost)
    outcomes = [done(kept), dead(lost), commands.retry(retried, where="n", job=retried.job)]
    call = numbered(commands.settle(keys, outcomes, now=NOW), "settler", 3)
    first = client.execute(call)
    before = snapshot(redis, keys)

    again = client.execute(call)

    assert [Settled((1,), replayed=False), Settled((1,), replayed=True)] == [first, again]
    assert ["settled", "replayed"] == heard
    assert before == snapshot(redis, keys)


def test_a_repeated_call_that_was_refused_nothing_is_refused_nothing_again(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    call = numbered(commands.settle(keys, [commands.ack(seed.holding("w1"))], now=NOW), "settler", 3)
    client.execute(call)

    assert Settled((), replayed=True) == client.execute(call)


def test_a_copy_that_was_overtaken_does_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("w1")
    first, second = seed.held("w1", NORMAL, *samples(2))
    client.execute(numbered(commands.settle(keys, [commands.ack(first)], now=NOW), "settler", 10))
    before = snapshot(redis, keys)

    late = client.execute(numbered(commands.settle(keys, [commands.ack(second)], now=NOW), "settler", 9))

    assert Settled((), replayed=False, overtaken=True) == late
    assert "stale" == heard[-1]
    assert before == snapshot(redis, keys)


# -- nothing is half-written ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        ("ack",),
        ("ack", 5),
        ("ack", 0, b"1-0"),
        ("ack", 8, b"1-0"),
        ("ack", "x", b"1-0"),
        ("ack", 5, b"none"),
        ("ack", 5, b"*"),
        ("finish", 5, b"1-0"),
        ("retry", 5, b"1-0", "x+5", b"job"),
        ("retry", 5, b"1-0", "n+"),
        ("done", 5, b"1-0", "id", "-1", b"result"),
        ("done", 5, b"1-0", "id", "soon", b"result"),
        ("dead", 5, b"1-0", "id", "", b"failure", b"job", "retries"),
        ("dead", 5, b"1-0", "id", 5, b"failure", b"job"),
    ],
    ids=str,
)
def test_an_outcome_that_does_not_exist_refuses_the_whole_batch_before_anything_is_written(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, wrong: Outcome
) -> None:
    entry = seed.holding("w1")
    before = snapshot(redis, keys)

    with pytest.raises(ScriptError):
        settle(client, keys, dead(entry), wrong)

    assert before == snapshot(redis, keys)


@pytest.mark.parametrize(
    "name", ["stats", "bell", "wake", "scheduled", "dead", "suspects", "returned:normal", "ready:high", "ready:low"]
)
def test_a_key_of_another_type_leaves_nothing_half_written(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, name: str
) -> None:
    """Otherwise a job would be acked and deleted, and its letter or its retry not written: it would be lost."""
    seed.worker("w1")
    entries = seed.held("w1", NORMAL, *samples(5))
    redis.delete(keys.tag + name)
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        settle(
            client,
            keys,
            commands.ack(entries[0]),
            dead(entries[1]),
            commands.retry(entries[2], where="h+5", job=entries[2].job),
            commands.snooze(entries[3], where="l", job=entries[3].job),
            commands.release(entries[4]),
        )

    assert before == snapshot(redis, keys)


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (commands.ack, "stats"),
        (commands.ack, "ready:normal"),
        (dead, "dead"),
        (lambda entry: commands.retry(entry, where="h+5", job=entry.job), "scheduled"),
        (lambda entry: commands.retry(entry, where="h+5", job=entry.job), "wake"),
        (lambda entry: commands.retry(entry, where="h", job=entry.job), "ready:high"),
        (lambda entry: commands.snooze(entry, where="h", job=entry.job), "bell"),
        (lambda entry: commands.snooze(entry, where="h+5", job=entry.job), "scheduled"),
        (commands.release, "returned:normal"),
        (commands.release, "bell"),
    ],
)
def test_each_outcome_looks_at_the_keys_it_needs(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, outcome: Callable[[Entry], Outcome], name: str
) -> None:
    entry = seed.holding("w1")
    redis.delete(keys.tag + name)
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        settle(client, keys, outcome(entry))

    assert before == snapshot(redis, keys)


def test_a_source_of_another_type_leaves_the_jobs_of_the_others_with_their_worker(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    first, second = seed.held("w1", HIGH, sample())[0], seed.held("w1", LOW, sample())[0]
    redis.set(keys.ready[2], "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        settle(client, keys, commands.ack(first), commands.ack(second))

    assert before == snapshot(redis, keys)


def test_a_full_redis_still_settles(fresh_server: Callable[..., Server], keys: DomainKeys) -> None:
    """Otherwise nothing would ever get less."""
    server = fresh_server()

    with Client(server.url) as client, server.driver() as redis:
        seed = Seed(redis, keys)
        seed.worker("w1")
        first, second, third, fourth = seed.held("w1", NORMAL, *samples(4))
        redis.config_set("maxmemory", "1")

        settled = settle(
            client,
            keys,
            done(first),
            commands.retry(second, where="n+5", job=second.job),
            dead(third),
            commands.release(fourth),
        )

        assert SETTLED == settled
        assert {"done": 1, "retry": 1, "dead": 1, "release": 1} == snapshot(redis, keys).stats


def test_a_server_that_forgot_the_script_is_given_it_again(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    for entry in seed.held("w1", NORMAL, *samples(3)):
        redis.script_flush()
        assert SETTLED == settle(client, keys, commands.ack(entry))

    assert ALONE.but(stats={"ack": 3}, sessions=(b"3 ",)) == snapshot(redis, keys)
