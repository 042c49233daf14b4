"""recover: poison is buried, and what is broken around a dead worker loses none of its jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.commands import Pulled, Recovered
from heijunka.errors import WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples, text_of
from tests.fixtures.seed import HIGH, LOW, NORMAL, Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Held, Letter, Snapshot, consumers, snapshot
from tests.lua.scripts.dying import recover

pytestmark = needs_server

EXPIRES = 2_000_000_000_000


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
    for stream in (keys.ready[1], keys.suspects):
        redis.xadd(stream, {"x": "no job", "d": "no number"})
        redis.xreadgroup("workers", "w1", {stream: ">"})

    assert Recovered("recovered", returned=2) == recover(client, keys)
    assert (Held(b"no job"),) == snapshot(redis, keys).returned_normal
    assert (Held(b"no job", None, 0, "n"),) == snapshot(redis, keys).suspects


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
