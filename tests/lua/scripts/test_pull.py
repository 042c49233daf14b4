"""pull: jobs are taken in the order of priorities, suspects by whoever is alone, and nothing is taken unseen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.commands import Entry, Lost, Pulled
from heijunka.errors import WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import GROUP, HIGH, LOW, NORMAL, RETURNED_HIGH, RETURNED_LOW, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import Held, Snapshot, consumers, snapshot

pytestmark = needs_server

EXPIRES = 2_000_000_000_000


def pulled(reply: Pulled | Lost) -> list[bytes]:
    """The jobs that were taken."""
    assert isinstance(reply, Pulled)
    return [entry.job for entry in reply.entries]


def test_a_job_is_taken_and_noted_as_held(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    job = sample()
    seed.worker("w1")
    seed.waiting(NORMAL, job)
    [[entry, _]] = redis.xrange(keys.ready[1])

    taken = client.execute(commands.pull(keys, "w1", 10, alone=False))

    assert Pulled([Entry(NORMAL, entry, job, "n")]) == taken
    assert Snapshot(ready_normal=(Held(job, by="w1"),), workers={"w1": EXPIRES}) == snapshot(redis, keys)
    assert "jobs" == heard[-1]


def test_higher_priorities_go_first_and_what_was_given_back_before_the_rest(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    jobs = dict(zip((LOW, RETURNED_LOW, NORMAL, RETURNED_NORMAL, HIGH, RETURNED_HIGH), samples(6), strict=True))
    for source, job in jobs.items():
        seed.waiting(source, job)

    taken = client.execute(commands.pull(keys, "w1", 10, alone=True))

    assert isinstance(taken, Pulled)
    assert [
        (source, jobs[source], letter)
        for source, letter in zip(range(RETURNED_HIGH, LOW + 1), ("h", "h", "n", "n", "l", "l"), strict=True)
    ] == [(entry.source, entry.job, entry.priority) for entry in taken.entries]


def test_jobs_of_one_stream_come_in_the_order_they_were_accepted(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    jobs = samples(5)
    seed.waiting(NORMAL, *jobs)

    assert jobs == pulled(client.execute(commands.pull(keys, "w1", 10, alone=True)))


def test_no_more_are_taken_than_asked_for_over_all_sources_together(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    high, normal, low = samples(2), samples(3), samples(4)
    seed.waiting(HIGH, *high)
    seed.waiting(NORMAL, *normal)
    seed.waiting(LOW, *low)

    taken = [pulled(client.execute(commands.pull(keys, "w1", 4, alone=True))) for _ in range(3)]

    assert [high + normal[:2], normal[2:] + low[:3], low[3:]] == taken


def test_who_takes_all_it_may_wakes_another_worker(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """One ring wakes one worker; what that one leaves is the next one's."""
    seed.worker("w1")
    seed.waiting(NORMAL, *samples(5))

    client.execute(commands.pull(keys, "w1", 2, alone=True))
    client.execute(commands.pull(keys, "w1", 2, alone=True))

    assert 1 == snapshot(redis, keys).bell


def test_who_leaves_nothing_wakes_nobody(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.worker("w1")
    seed.waiting(NORMAL, *samples(5))

    client.execute(commands.pull(keys, "w1", 6, alone=True))

    assert 0 == snapshot(redis, keys).bell


@pytest.mark.parametrize("alone", [False, True])
def test_of_a_paused_domain_nothing_is_taken(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str], *, alone: bool
) -> None:
    seed.worker("w1")
    for source in (SUSPECTS, RETURNED_HIGH, HIGH, NORMAL, LOW):
        seed.waiting(source, sample())
    redis.hset(keys.limits, "paused", "hnl")
    before = snapshot(redis, keys)

    assert Pulled([], paused="hnl") == client.execute(commands.pull(keys, "w1", 10, alone=alone))
    assert before == snapshot(redis, keys)
    assert "paused" == heard[-1]


@pytest.mark.parametrize("alone", [False, True])
def test_an_empty_domain_gives_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str], *, alone: bool
) -> None:
    seed.worker("w1")

    assert Pulled([]) == client.execute(commands.pull(keys, "w1", 10, alone=alone))
    assert Snapshot(workers={"w1": EXPIRES}) == snapshot(redis, keys)
    assert "empty" == heard[-1]


def test_what_others_hold_is_not_given_twice(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.holding("w1")
    seed.worker("w2")
    before = snapshot(redis, keys)

    assert Pulled([]) == client.execute(commands.pull(keys, "w2", 10, alone=True))
    assert before == snapshot(redis, keys)


def test_a_worker_that_was_recovered_gets_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.worker("other")
    seed.waiting(NORMAL, sample())
    before = snapshot(redis, keys)

    assert Lost() == client.execute(commands.pull(keys, "w1", 10, alone=True))
    assert before == snapshot(redis, keys)
    assert set() == consumers(redis, keys)
    assert "lost" == heard[-1]


def test_a_worker_alone_gets_one_suspect_and_nothing_with_it(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    first, second, other = samples(3)
    seed.waiting(SUSPECTS, first, second, deliveries=2)
    seed.waiting(HIGH, other)
    [[entry, _], _] = redis.xrange(keys.suspects)

    taken = client.execute(commands.pull(keys, "w1", 10, alone=True))

    assert Pulled([Entry(SUSPECTS, entry, first, "n", deliveries=2)]) == taken
    assert Snapshot(
        suspects=(Held(first, "w1", 2, "n"), Held(second, None, 2, "n")),
        ready_high=(Held(other),),
        workers={"w1": EXPIRES},
        bell=1,
    ) == snapshot(redis, keys)


def test_whoever_takes_a_suspect_wakes_another_worker_for_the_rest(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """A crash hands back suspects and others with one ring."""
    seed.worker("w1")
    seed.waiting(SUSPECTS, sample())
    seed.waiting(RETURNED_NORMAL, *samples(3))

    client.execute(commands.pull(keys, "w1", 10, alone=True))

    assert 1 == snapshot(redis, keys).bell


def test_a_worker_with_jobs_gets_others_and_is_told_that_a_suspect_waits(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    suspect, other = samples(2)
    seed.waiting(SUSPECTS, suspect)
    seed.waiting(NORMAL, other)

    taken = client.execute(commands.pull(keys, "w1", 10, alone=False))

    assert isinstance(taken, Pulled)
    assert (True, [other]) == (taken.suspects, pulled(taken))
    assert (Held(suspect, None, 1, "n"),) == snapshot(redis, keys).suspects


def test_a_worker_with_jobs_is_told_of_a_suspect_although_there_is_nothing_else(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    seed.waiting(SUSPECTS, sample())

    assert Pulled([], suspects=True) == client.execute(commands.pull(keys, "w1", 10, alone=False))


def test_a_suspect_that_somebody_runs_keeps_nobody_from_pulling(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """The others would finish what they hold to be alone with a job that is taken."""
    seed.worker("w1")
    seed.worker("w2")
    seed.held("w2", SUSPECTS, sample())
    job = sample()
    seed.waiting(NORMAL, job)

    taken = client.execute(commands.pull(keys, "w1", 10, alone=False))

    assert isinstance(taken, Pulled)
    assert (False, [job]) == (taken.suspects, pulled(taken))


def test_a_worker_alone_without_suspects_gets_the_others(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    seed.worker("w2")
    seed.held("w2", SUSPECTS, sample())
    jobs = samples(2)
    seed.waiting(LOW, *jobs)

    assert jobs == pulled(client.execute(commands.pull(keys, "w1", 10, alone=True)))


@pytest.mark.parametrize("alone", [False, True])
def test_streams_that_came_back_without_their_group_are_read_from_the_beginning(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, alone: bool
) -> None:
    """Somebody deleted or flushed them, and producers went on."""
    seed.worker("w1")
    redis.delete(*keys.sources)
    jobs = samples(2)
    seed.waiting(NORMAL, *jobs)

    assert jobs == pulled(client.execute(commands.pull(keys, "w1", 10, alone=alone)))
    assert tuple(Held(job, by="w1") for job in jobs) == snapshot(redis, keys).ready_normal


def test_suspects_that_came_back_without_their_group_are_told_and_given(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    redis.delete(*keys.sources)
    job = sample()
    seed.waiting(SUSPECTS, job)

    assert Pulled([], suspects=True) == client.execute(commands.pull(keys, "w1", 10, alone=False))
    assert [job] == pulled(client.execute(commands.pull(keys, "w1", 10, alone=True)))


@pytest.mark.parametrize("name", ["workers", "bell", "suspects", "returned:high"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_key_of_another_type_takes_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, name: str, *, alone: bool
) -> None:
    seed.worker("w1")
    seed.waiting(NORMAL, *samples(2))
    redis.delete(keys.tag + name)
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(commands.pull(keys, "w1", 1, alone=alone))

    assert before == snapshot(redis, keys)


@pytest.mark.parametrize("suspects", [0, 1])
def test_jobs_that_were_taken_before_a_key_of_another_type_was_met_are_told(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, suspects: int
) -> None:
    seed.worker("w1")
    jobs = samples(2)
    seed.waiting(HIGH, *jobs)
    seed.waiting(SUSPECTS, *samples(suspects))
    redis.delete(keys.ready[2])
    redis.set(keys.ready[2], "somebody else's")

    assert jobs == pulled(client.execute(commands.pull(keys, "w1", 10, alone=False)))
    with pytest.raises(WrongKeyType):
        client.execute(commands.pull(keys, "w1", 10, alone=False))


def test_a_full_redis_still_gives_jobs_away(fresh_server: Callable[..., Server], keys: DomainKeys) -> None:
    server = fresh_server()
    job = sample()

    with Client(server.url) as client, server.driver() as redis:
        seed = Seed(redis, keys)
        seed.worker("w1")
        seed.waiting(NORMAL, job)
        redis.config_set("maxmemory", "1")

        assert [job] == pulled(client.execute(commands.pull(keys, "w1", 10, alone=True)))


def test_a_server_that_forgot_the_script_is_given_it_again(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """Nothing had run, so although a pull is not repeatable it is sent again."""
    seed.worker("w1")
    jobs = samples(2)
    seed.waiting(NORMAL, *jobs)
    redis.script_flush()

    assert jobs == pulled(client.execute(commands.pull(keys, "w1", 10, alone=True)))


def test_a_pull_is_not_repeated_by_itself(keys: DomainKeys) -> None:
    """After a lost reply `held` tells what was taken; a repetition would take more."""
    assert not commands.pull(keys, "w1", 10, alone=True).repeatable


def test_a_group_by_another_name_is_nobodys(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    redis.xgroup_create(keys.ready[1], "visitors", id="$", mkstream=True)
    seed.worker("w1")
    job = sample()
    seed.waiting(NORMAL, job)

    assert [job] == pulled(client.execute(commands.pull(keys, "w1", 10, alone=True)))
    assert 1 == redis.xpending(keys.ready[1], GROUP)["pending"]


# -- pauses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paused", "taken"), [("", "hhnnll"), ("h", "nnll"), ("n", "hhll"), ("l", "hhnn"), ("hl", "nn"), ("hln", "")]
)
def test_nothing_is_taken_from_paused_queues(
    client: Executor, redis: Driver, seed: Seed, *, keys: DomainKeys, paused: str, taken: str
) -> None:
    seed.worker("w1")
    for source in (LOW, RETURNED_LOW, NORMAL, RETURNED_NORMAL, HIGH, RETURNED_HIGH):
        seed.waiting(source, sample())
    if paused:
        redis.hset(keys.limits, "paused", paused)

    reply = client.execute(commands.pull(keys, "w1", 10, alone=True))

    assert isinstance(reply, Pulled)
    assert taken == "".join(entry.priority for entry in reply.entries)
