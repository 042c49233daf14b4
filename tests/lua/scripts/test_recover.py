"""recover: what a dead worker held comes back, charged if it was running, and only if the worker is dead."""

from __future__ import annotations

from typing import Literal

import pytest

from heijunka import commands
from heijunka.commands import Entry, Lost, Recovered, Settled
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import HIGH, LOW, NORMAL, RETURNED_HIGH, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Held, Snapshot, consumers, snapshot
from tests.lua.scripts.dying import NOW, recover

pytestmark = needs_server

EXPIRES = 2_000_000_000_000


# -- what comes back, and where ------------------------------------------------------------------


def test_what_was_running_becomes_a_suspect_and_the_rest_returns_uncharged(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("w1")
    high = seed.held("w1", HIGH, *samples(2))
    low = seed.held("w1", LOW, *samples(2))

    recovered = recover(client, keys, started=[high[0], low[1]])

    assert Recovered("recovered", returned=2, charged=2) == recovered
    assert "recovered" == heard[-1]
    assert Snapshot(
        suspects=(Held(high[0].job, None, 1, "h"), Held(low[1].job, None, 1, "l")),
        returned_high=(Held(high[1].job),),
        returned_low=(Held(low[0].job),),
        stats={"returned": 2, "charged": 2},
        bell=1,
    ) == snapshot(redis, keys)
    assert set() == consumers(redis, keys)


@pytest.mark.parametrize(
    ("source", "home", "letter"),
    [
        (RETURNED_HIGH, "returned_high", "h"),
        (HIGH, "returned_high", "h"),
        (RETURNED_NORMAL, "returned_normal", "n"),
        (NORMAL, "returned_normal", "n"),
        (LOW, "returned_low", "l"),
    ],
)
@pytest.mark.parametrize("running", [False, True])
def test_a_job_keeps_its_priority(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, source: int, home: str, letter: str, running: bool
) -> None:
    entry = seed.holding("w1", source)

    recover(client, keys, started=[entry] if running else [])

    back = {"suspects": (Held(entry.job, None, 1, letter),)} if running else {home: (Held(entry.job),)}
    stats = {"charged" if running else "returned": 1}
    assert Snapshot(bell=1, stats=stats).but(**back) == snapshot(redis, keys)


def test_a_suspect_that_had_not_started_again_stays_a_suspect_uncharged(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1", SUSPECTS, deliveries=2)

    assert Recovered("recovered", returned=1) == recover(client, keys)
    assert Snapshot(suspects=(Held(entry.job, None, 2, "n"),), stats={"returned": 1}, bell=1) == snapshot(redis, keys)


def test_a_suspect_that_ran_is_charged_again(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    entry = seed.holding("w1", SUSPECTS, deliveries=1)

    assert Recovered("recovered", charged=1) == recover(client, keys, started=[entry])
    assert Snapshot(suspects=(Held(entry.job, None, 2, "n"),), stats={"charged": 1}, bell=1) == snapshot(redis, keys)


def test_what_others_hold_and_what_waits_is_left_alone(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    mine = seed.holding("w1")
    theirs = seed.held("w2", NORMAL, sample())[0]
    seed.worker("w2")
    waiting = sample()
    seed.waiting(NORMAL, waiting)

    recover(client, keys, started=[theirs])

    assert Snapshot(
        returned_normal=(Held(mine.job),),
        ready_normal=(Held(theirs.job, by="w2"), Held(waiting)),
        workers={"w2": EXPIRES},
        stats={"returned": 1},
        bell=1,
    ) == snapshot(redis, keys)
    assert {"w2"} == consumers(redis, keys)


def test_the_same_entry_id_in_another_stream_is_not_charged(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1", HIGH)

    recovered = recover(client, keys, started=[Entry(LOW, entry.id, entry.job, "l")])

    assert Recovered("recovered", returned=1) == recovered


def test_a_worker_that_held_nothing_is_forgotten_quietly(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")

    assert Recovered("recovered") == recover(client, keys)
    assert Snapshot() == snapshot(redis, keys)


def test_the_old_holder_can_neither_settle_nor_pull(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")
    recover(client, keys)

    settled = client.execute(commands.settle(keys, [commands.ack(entry)]))
    taken = client.execute(commands.pull(keys, "w1", 10, alone=True))

    assert Settled((0,), replayed=False) == settled
    assert Lost() == taken
    assert (Held(entry.job),) == snapshot(redis, keys).returned_normal


def test_a_job_that_was_deleted_while_it_was_held_does_not_come_back(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")
    redis.xdel(keys.ready[1], entry.id)

    assert Recovered("recovered") == recover(client, keys, started=[entry])
    assert Snapshot(stats={"gone": 1}) == snapshot(redis, keys)


# -- who may be recovered ------------------------------------------------------------------------


def test_a_lapsed_worker_is_recovered_and_all_it_held_counts_as_running(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """Nobody saw it die, so nobody knows what it ran."""
    seed.worker("w1", expires=NOW)
    first, second = seed.held("w1", NORMAL, *samples(2))

    assert Recovered("recovered", charged=2) == recover(client, keys, death="lapsed")
    assert Snapshot(
        suspects=(Held(first.job, None, 1, "n"), Held(second.job, None, 1, "n")), stats={"charged": 2}, bell=1
    ) == snapshot(redis, keys)


def test_a_worker_whose_lease_was_renewed_meanwhile_is_alive(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("w1", expires=NOW + 1)
    seed.held("w1", NORMAL, sample())
    before = snapshot(redis, keys)

    assert Recovered("alive") == recover(client, keys, death="lapsed")
    assert "alive" == heard[-1]
    assert before == snapshot(redis, keys)


def test_a_death_that_was_seen_does_not_wait_for_the_lease(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1", expires=NOW + 60_000)

    assert Recovered("recovered") == recover(client, keys, death="seen")


@pytest.mark.parametrize("death", ["seen", "lapsed"])
def test_a_worker_that_somebody_else_recovered_is_unknown(
    client: Executor,
    redis: Driver,
    keys: DomainKeys,
    seed: Seed,
    *,
    death: Literal["seen", "lapsed"],
    heard: list[str],
) -> None:
    seed.holding("w1")
    recover(client, keys)
    before = snapshot(redis, keys)

    assert Recovered("unknown") == recover(client, keys, death=death)
    assert "unknown" == heard[-1]
    assert before == snapshot(redis, keys)


def test_after_a_flush_everybody_is_unknown(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert Recovered("unknown") == recover(client, keys)
    assert Snapshot() == snapshot(redis, keys)


def test_the_servers_clock_decides_when_no_time_is_given(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    server_ms = redis.time()[0] * 1_000
    redis.zadd(keys.workers, {"over": server_ms - 1, "alive": server_ms + 3_600_000})

    states = [
        client.execute(commands.recover(keys, worker, death="lapsed", failure=b"", max_deliveries=3, keep_ms=0)).state
        for worker in ("over", "alive")
    ]

    assert ["recovered", "alive"] == states


# -- some at a time ------------------------------------------------------------------------------


def test_many_jobs_come_back_over_several_calls_and_the_worker_stays_known_till_the_last(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("w1")
    jobs = samples(5)
    entries = seed.held("w1", NORMAL, *jobs)

    first = recover(client, keys, started=entries[:1], limit=2)
    known = snapshot(redis, keys).workers
    second = recover(client, keys, started=entries[:1], limit=2)
    third = recover(client, keys, started=entries[:1], limit=2)

    assert [
        Recovered("more", returned=1, charged=1),
        Recovered("more", returned=2),
        Recovered("recovered", returned=1),
    ] == [first, second, third]
    assert ["more", "more", "recovered"] == heard
    assert {"w1": EXPIRES} == known
    assert Snapshot(
        suspects=(Held(jobs[0], None, 1, "n"),),
        returned_normal=tuple(map(Held, jobs[1:])),
        stats={"returned": 4, "charged": 1},
        bell=1,
    ) == snapshot(redis, keys)


def test_a_limit_that_is_met_exactly_takes_one_more_call(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    seed.held("w1", NORMAL, *samples(2))

    assert ["more", "recovered"] == [recover(client, keys, limit=2).state for _ in range(2)]


def test_a_repeated_call_after_a_lost_reply_changes_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """What came back is another entry, so what the dead worker was running is not charged twice."""
    entry = seed.holding("w1")
    recover(client, keys, started=[entry])
    before = snapshot(redis, keys)

    recover(client, keys, started=[entry])

    assert before == snapshot(redis, keys)
