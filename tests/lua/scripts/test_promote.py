"""promote: what is due moves to where it may run, in order and once, and the caller learns when to come back."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Held, Snapshot, snapshot

NOW = Milliseconds(1_700_000_000_000)


def test_due_jobs_go_to_the_streams_of_their_priorities(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    high, normal, low, later = samples(4)
    seed.scheduled("h", NOW - 3, high)
    seed.scheduled("n", NOW - 2, normal)
    seed.scheduled("l", NOW, low)
    seed.scheduled("n", NOW + 400, later)

    promoted = client.execute(commands.promote(keys, now=NOW))

    assert commands.Promoted(jobs=3, wait_ms=400) == promoted
    assert Snapshot(
        ready_high=(Held(high),),
        ready_normal=(Held(normal),),
        ready_low=(Held(low),),
        scheduled=((NOW + 400, "n", later),),
        bell=1,
    ) == snapshot(redis, keys)
    assert "promoted" == heard[-1]


def test_nothing_due_moves_nothing_and_rings_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.scheduled("n", NOW + 1, sample())
    before = snapshot(redis, keys)

    promoted = client.execute(commands.promote(keys, now=NOW))

    assert commands.Promoted(jobs=0, wait_ms=1) == promoted
    assert before == snapshot(redis, keys)


def test_without_scheduled_jobs_there_is_nothing_to_wait_for(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert commands.Promoted(jobs=0, wait_ms=None) == client.execute(commands.promote(keys, now=NOW))
    assert Snapshot() == snapshot(redis, keys)


def test_the_limit_holds_the_soonest_go_first_and_the_caller_is_to_come_back_at_once(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    jobs = samples(5)
    for job, due in zip(jobs, (NOW - 1, NOW - 50, NOW - 9, NOW - 30, NOW), strict=True):
        seed.scheduled("n", due, job)

    first = client.execute(commands.promote(keys, limit=3, now=NOW))
    second = client.execute(commands.promote(keys, limit=3, now=NOW))

    assert [commands.Promoted(3, 0), commands.Promoted(2, None)] == [first, second]
    assert [jobs[1], jobs[3], jobs[2], jobs[0], jobs[4]] == [each.job for each in snapshot(redis, keys).ready_normal]


def test_a_full_limit_that_took_all_says_so(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.scheduled("n", NOW, *samples(3))

    assert commands.Promoted(3, None) == client.execute(commands.promote(keys, limit=3, now=NOW))


def test_a_second_promoter_finds_nothing_left(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.scheduled("h", NOW, sample())
    client.execute(commands.promote(keys, now=NOW))
    before = snapshot(redis, keys)

    assert commands.Promoted(0, None) == client.execute(commands.promote(keys, now=NOW))
    assert before == snapshot(redis, keys)


def test_the_servers_clock_decides_when_no_time_is_given(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    due, later = samples(2)
    server_ms = redis.time()[0] * 1_000
    seed.scheduled("n", server_ms - 1, due)
    seed.scheduled("n", server_ms + 3_600_000, later)

    promoted = client.execute(commands.promote(keys))

    assert 1 == promoted.jobs
    assert promoted.wait_ms is not None
    assert 3_590_000 < promoted.wait_ms <= 3_600_000


def test_the_bell_is_rung_once_for_many_and_not_again_while_it_rings(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.scheduled("n", NOW, *samples(3))
    seed.scheduled("h", NOW + 1, *samples(3))

    client.execute(commands.promote(keys, now=NOW))
    client.execute(commands.promote(keys, now=Milliseconds(NOW + 1)))

    assert 1 == snapshot(redis, keys).bell


@needs_server
@pytest.mark.parametrize("name", ["bell", "ready:high", "ready:normal", "ready:low", "scheduled"])
def test_a_key_of_another_type_leaves_everything_scheduled(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, name: str
) -> None:
    if name != "scheduled":
        for letter in "hnl":
            seed.scheduled(letter, NOW, sample())
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(commands.promote(keys, now=NOW))

    assert before == snapshot(redis, keys)
