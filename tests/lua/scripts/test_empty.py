"""empty: what waits and nobody has pulled ends as cancelled, is counted once, and who waits for it is told."""

from __future__ import annotations

import pytest

from heijunka.clock import Milliseconds
from heijunka.commands.pause import Emptied, empty
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import id_of, sample, samples, text_of
from tests.fixtures.seed import HIGH, NORMAL, RETURNED_LOW, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Held, Snapshot, snapshot
from tests.lua.scripts.numbered import copy_of

pytestmark = needs_server

NOW = Milliseconds(1_700_000_000_000)


def emptied(
    client: Executor, keys: DomainKeys, source: int, *, letters: str = "hnl", start: str = "0-0", limit: int = 100
) -> Emptied:
    return client.execute(
        empty(keys, source, letters=letters, keep_ms=60_000, record=b"ended", start=start, limit=limit, now=NOW)
    )


@pytest.mark.parametrize("source", [HIGH, NORMAL, RETURNED_LOW])
def test_what_waits_ends_and_what_is_held_goes_on(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str], *, source: int
) -> None:
    seed.worker("w1")
    held = seed.held("w1", source, *samples(2))
    waiting = samples(3)
    seed.waiting(source, *waiting)
    before = snapshot(redis, keys)

    assert Emptied(3) == emptied(client, keys, source)

    after = snapshot(redis, keys)
    assert {text_of(job): b"ended" for job in waiting} == after.results
    assert ({"cancelled": 3}, before.workers) == (after.stats, after.workers)
    assert [entry.id for entry in held] == [entry for entry, _ in redis.xrange(keys.sources[source - 1])]
    assert "emptied" == heard[-1]


def test_a_part_at_a_time(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]) -> None:
    seed.waiting(NORMAL, *samples(5))

    first = emptied(client, keys, NORMAL, limit=2)
    second = emptied(client, keys, NORMAL, limit=2, start=str(first.more))
    third = emptied(client, keys, NORMAL, limit=2, start=str(second.more))

    assert ([2, 2, 1], None) == ([first.jobs, second.jobs, third.jobs], third.more)
    assert ["more", "more", "emptied"] == heard
    assert {"cancelled": 5} == snapshot(redis, keys).stats


def test_what_comes_behind_a_place_is_found_also_when_it_has_fewer_digits(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    """Entry ids are numbers, not texts: 9-9 comes before 10-0, and 10-9 before 10-10."""
    for entry in ("9-9", "10-9", "10-10"):
        redis.xadd(keys.ready[1], {"j": sample()}, id=entry)

    assert Emptied(1) == emptied(client, keys, NORMAL, start="10-9")
    assert Emptied(2) == emptied(client, keys, NORMAL)


def test_of_suspects_only_those_end_that_are_meant(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    normal, high = sample(), sample()
    seed.waiting(SUSPECTS, normal)
    redis.xadd(keys.suspects, {"j": high, "d": 1, "p": "h"})

    assert Emptied(1) == emptied(client, keys, SUSPECTS, letters="nl")

    assert [high] == [fields[b"j"] for _, fields in redis.xrange(keys.suspects)]
    assert {text_of(normal): b"ended"} == snapshot(redis, keys).results


def test_a_mark_ends_with_its_job(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    job = sample()
    seed.waiting(NORMAL, job)
    seed.marked(id_of(job))

    emptied(client, keys, NORMAL)

    assert {} == snapshot(redis, keys).cancels


def test_who_waits_for_room_is_woken(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.waiting(NORMAL, sample())
    redis.hset(keys.limits, "waiting", NOW + 1_000)

    emptied(client, keys, NORMAL)

    assert 1 == snapshot(redis, keys).room


def test_nothing_waits_and_nothing_is_written(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    assert Emptied(0) == emptied(client, keys, NORMAL)
    assert Snapshot(sessions=(b"1 emptied 0",)) == snapshot(redis, keys)


@pytest.mark.parametrize("limit", [2, 10])
def test_a_repeated_call_is_answered_from_the_first_and_a_late_one_does_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str], *, limit: int
) -> None:
    seed.waiting(NORMAL, *samples(3))
    first = empty(keys, NORMAL, letters="hnl", keep_ms=0, record=b"", limit=limit, now=NOW)
    later = empty(keys, HIGH, letters="hnl", keep_ms=0, record=b"", now=NOW)

    said = [client.execute(copy_of(first, keys, number=1)) for _ in range(2)]
    client.execute(copy_of(later, keys, number=2))
    seed.waiting(NORMAL, job := sample())
    late = client.execute(copy_of(first, keys, number=1))

    assert said[0] == said[1]
    assert Emptied(0, overtaken=True) == late
    assert "stale" == heard[-1]
    assert Held(job) in snapshot(redis, keys).ready_normal
    assert {"cancelled": min(3, limit)} == snapshot(redis, keys).stats
