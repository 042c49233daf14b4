"""recover: nothing that a dead worker held is lost, what it was running is charged, and poison is buried."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.commands import Entry, Lost, Pulled, Recovered, Settled
from heijunka.errors import WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples, text_of
from tests.fixtures.seed import HIGH, LOW, NORMAL, RETURNED_HIGH, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Held, Letter, Snapshot, consumers, snapshot

pytestmark = needs_server

NOW = Milliseconds(1_700_000_000_000)
EXPIRES = 2_000_000_000_000


def recover(
    client: Executor,
    keys: DomainKeys,
    worker: str = "w1",
    *,
    death: Literal["seen", "lapsed"] = "seen",
    started: Iterable[Entry] = (),
    overdue: Iterable[Entry] = (),
    limit: int = 100,
    max_deliveries: int = 3,
    keep_ms: int = 60_000,
) -> Recovered:
    return client.execute(
        commands.recover(
            keys,
            worker,
            death=death,
            failure=b"the failure",
            max_deliveries=max_deliveries,
            keep_ms=keep_ms,
            started=[(entry.source, entry.id.decode()) for entry in started],
            overdue=[(entry.source, entry.id.decode()) for entry in overdue],
            limit=limit,
            now=NOW,
        )
    )


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


# -- poison --------------------------------------------------------------------------------------


def test_a_job_that_was_running_at_too_many_deaths_is_buried_and_who_waits_is_told(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1", SUSPECTS, deliveries=2)

    assert Recovered("recovered", buried=1) == recover(client, keys, started=[entry])
    assert Snapshot(
        dead=(Letter(entry.job, "poison", b"the failure", 3),),
        results={text_of(entry.job): b"the failure"},
        stats={"buried": 1},
    ) == snapshot(redis, keys)
    assert 59_000 < redis.pttl(keys.result(text_of(entry.job))) <= 60_000


def test_the_burial_is_announced(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    entry = seed.holding("w1", SUSPECTS, deliveries=2)
    channel = keys.result(text_of(entry.job))
    with redis.pubsub() as waiting:
        waiting.subscribe(channel)
        assert "subscribe" == waiting.get_message(timeout=10)["type"]

        recover(client, keys, started=[entry])

        assert channel.encode() == waiting.get_message(timeout=10)["channel"]


def test_a_buried_job_whose_result_nobody_keeps_is_a_letter_alone(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1", SUSPECTS, deliveries=2)

    recover(client, keys, started=[entry], keep_ms=0)

    assert Snapshot(dead=(Letter(entry.job, "poison", b"the failure", 3),), stats={"buried": 1}) == snapshot(
        redis, keys
    )


def test_a_job_with_many_deliveries_is_not_buried_for_a_death_it_did_not_run_at(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1", SUSPECTS, deliveries=9)

    assert Recovered("recovered", returned=1) == recover(client, keys)
    assert (Held(entry.job, None, 9, "n"),) == snapshot(redis, keys).suspects


def test_with_one_delivery_allowed_the_first_death_buries(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")

    assert Recovered("recovered", buried=1) == recover(client, keys, started=[entry], max_deliveries=1)
    assert (Letter(entry.job, "poison", b"the failure", 1),) == snapshot(redis, keys).dead


# -- what outlived its limit ---------------------------------------------------------------------


def test_an_overdue_attempt_comes_back_marked_and_uncharged(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry, other = seed.holding("w1", HIGH), seed.holding("w1", SUSPECTS, deliveries=1)

    assert Recovered("recovered", overdue=2) == recover(client, keys, overdue=[entry, other])

    seed.worker("w2")
    busy = client.execute(commands.pull(keys, "w2", 10, alone=False))
    alone = client.execute(commands.pull(keys, "w2", 10, alone=True))
    assert isinstance(busy, Pulled)
    assert isinstance(alone, Pulled)
    assert [(entry.job, "h", 0, True), (other.job, "n", 1, True)] == [
        (back.job, back.priority, back.deliveries, back.overdue) for back in (*busy.entries, *alone.entries)
    ]
    assert {b"overdue": b"2"} == redis.hgetall(keys.stats)


def test_the_mark_of_an_overdue_attempt_outlives_another_worker(client: Executor, keys: DomainKeys, seed: Seed) -> None:
    entry = seed.holding("w1", HIGH)
    recover(client, keys, overdue=[entry])
    for worker in ("w2", "w3"):
        seed.worker(worker)
        pulled = client.execute(commands.pull(keys, worker, 1, alone=False))
        assert isinstance(pulled, Pulled)
        assert [True] == [back.overdue for back in pulled.entries]
        recover(client, keys, worker)


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


# -- broken surroundings -------------------------------------------------------------------------


def test_sources_that_lost_their_group_do_not_keep_the_rest_from_coming_back(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    entry = seed.held("w1", LOW, sample())[0]
    redis.delete(*keys.sources[:6])
    waiting = sample()
    seed.waiting(HIGH, waiting)

    assert Recovered("recovered", returned=1) == recover(client, keys)
    assert Snapshot(
        ready_high=(Held(waiting),), returned_low=(Held(entry.job),), stats={"returned": 1}, bell=1
    ) == snapshot(redis, keys)


@pytest.mark.parametrize("name", ["workers", "stats", "bell", "dead", "suspects", "returned:normal", "ready:low"])
def test_a_key_of_another_type_leaves_everything_with_the_dead_worker(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, name: str
) -> None:
    """Otherwise a job would be acked and deleted, and its return not written: it would be lost."""
    seed.worker("w1")
    entries = seed.held("w1", NORMAL, *samples(3))
    redis.delete(keys.tag + name)
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        recover(client, keys, started=entries[:1], max_deliveries=1)

    assert before == snapshot(redis, keys)
    assert {"w1"} == consumers(redis, keys)


def test_an_entry_with_other_fields_comes_back_as_it_can(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """Whatever somebody wrote there, the worker that gets it dead-letters it; here it must not stop the rest."""
    seed.worker("w1")
    redis.xadd(keys.ready[1], {"x": "no job", "d": "no number"})
    redis.xreadgroup("workers", "w1", {keys.ready[1]: ">"})

    assert Recovered("recovered", returned=1) == recover(client, keys)
    assert (Held(b"no job"),) == snapshot(redis, keys).returned_normal


def test_a_full_redis_still_gives_jobs_back(fresh_server: Callable[..., Server], keys: DomainKeys) -> None:
    server = fresh_server()

    with Client(server.url) as client, server.driver() as redis:
        seed = Seed(redis, keys)
        seed.worker("w1")
        entries = seed.held("w1", NORMAL, *samples(3))
        redis.config_set("maxmemory", "1")

        assert Recovered("recovered", returned=2, charged=1) == recover(client, keys, started=entries[:1])


def test_a_server_that_forgot_the_script_is_given_it_again(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.holding("w1")
    redis.script_flush()

    assert Recovered("recovered", returned=1) == recover(client, keys)
