"""settle: what was taken away is refused with all its effects, and a refused call has written nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.commands import Entry, Settled
from heijunka.commands.settle import Outcome
from heijunka.errors import ScriptError, WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples, text_of
from tests.fixtures.seed import HIGH, LOW, NORMAL, Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Held, Snapshot, snapshot
from tests.lua.scripts.outcomes import ALONE, SETTLED, dead, done, dropped, settle, take_away

pytestmark = needs_server


# -- fences --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome",
    [
        commands.ack,
        done,
        dropped,
        dead,
        commands.release,
        lambda entry: commands.retry(entry, where="n+5", job=entry.job),
        lambda entry: commands.snooze(entry, where="n", job=entry.job),
    ],
    ids=["ack", "done", "dropped", "dead", "release", "retry", "snooze"],
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


# -- nothing is half-written ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        ("done",),
        ("done", 5),
        ("acks", 5),
        ("acks", 5, 2, b"1-0"),
        ("acks", 5, 0),
        ("acks", 5, "-3"),
        ("acks", 5, "1.5", b"1-0", b"2-0"),
        ("acks", 5, 2, b"1-0", b"none"),
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
    "name",
    ["stats", "bell", "wake", "scheduled", "dead", "suspects", "returned:normal", "ready:high", "ready:low", "budget"],
)
def test_a_key_of_another_type_leaves_nothing_half_written(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, name: str
) -> None:
    """Otherwise a job would be acked and deleted, and its letter or its retry not written: it would be lost."""
    seed.worker("w1")
    entries = seed.held("w1", NORMAL, *samples(5))
    redis.delete(keys.tag + name)
    if name == "budget":
        redis.lpush(keys.budget, "somebody else's")
        redis.expire(keys.budget, 600)
    else:
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
