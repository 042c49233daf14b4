"""cancel: what nobody holds ends, once and announced; what somebody holds is marked and ends wherever it goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Pulled, Recovered, Spot
from heijunka.commands.settle import Outcome
from heijunka.errors import WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import id_of, sample, text_of
from tests.fixtures.seed import HIGH, LOW, NORMAL, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import SOURCES, Held, Letter, Snapshot, snapshot
from tests.lua.scripts.dying import recover
from tests.lua.scripts.numbered import copy_of
from tests.lua.scripts.outcomes import settle

pytestmark = needs_server

NOW = Milliseconds(1_700_000_000_000)
DAY = 86_400_000
ANYWHERE = Spot("anywhere")


def in_stream(keys: DomainKeys, source: int, entry: bytes) -> Spot:
    return Spot("stream", entry, keys.sources[source - 1])


def entry_of(redis: Driver, keys: DomainKeys, source: int) -> bytes:
    """The only entry of a source."""
    [[entry, _]] = redis.xrange(keys.sources[source - 1])
    assert isinstance(entry, bytes)
    return entry


def cancel(client: Executor, keys: DomainKeys, job: bytes, spot: Spot, now: Milliseconds = NOW) -> str:
    return client.execute(commands.cancel(keys, id_of(job), spot, keep_ms=60_000, record=b"cancelled", now=now))


# -- what nobody holds ---------------------------------------------------------------------------


@pytest.mark.parametrize("source", [SUSPECTS, HIGH, RETURNED_NORMAL, NORMAL, LOW])
def test_a_job_that_waits_ends_and_is_counted_and_who_waits_for_it_is_told(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, source: int
) -> None:
    job = sample()
    seed.waiting(source, job)
    listening = redis.pubsub()
    listening.subscribe(keys.result(text_of(job)))
    listening.get_message(timeout=5)

    said = cancel(client, keys, job, in_stream(keys, source, entry_of(redis, keys, source)))

    assert "cancelled" == said
    assert Snapshot(
        stats={"cancelled": 1}, results={text_of(job): b"cancelled"}, sessions=(b"1 cancelled",)
    ) == snapshot(redis, keys)
    assert 0 < redis.pttl(keys.result(text_of(job))) <= 60_000
    assert keys.result(text_of(job)).encode() == listening.get_message(timeout=5)["channel"]
    listening.close()


def test_a_job_that_waits_for_its_time_ends_and_others_stay(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    job, other = sample(), sample()
    seed.scheduled("h", NOW, job, other)

    assert "cancelled" == cancel(client, keys, job, Spot("scheduled", b"h" + job))
    assert Snapshot(
        scheduled=((NOW, "h", other),),
        stats={"cancelled": 1},
        results={text_of(job): b"cancelled"},
        sessions=(b"1 cancelled",),
    ) == snapshot(redis, keys)


def test_the_group_of_a_stream_never_sees_a_job_that_was_cancelled(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    job, other = sample(), sample()
    seed.worker("w1")
    seed.waiting(NORMAL, job)
    entry = entry_of(redis, keys, NORMAL)
    seed.waiting(NORMAL, other)

    cancel(client, keys, job, in_stream(keys, NORMAL, entry))

    pulled = client.execute(commands.pull(keys, "w1", 10, alone=True))
    assert isinstance(pulled, Pulled)
    assert [other] == [each.job for each in pulled.entries]


def test_a_job_that_was_marked_and_waits_again_loses_its_mark_with_its_end(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    job = sample()
    seed.waiting(NORMAL, job)
    seed.marked(id_of(job))

    cancel(client, keys, job, in_stream(keys, NORMAL, entry_of(redis, keys, NORMAL)))

    assert {} == snapshot(redis, keys).cancels


# -- what is not there any more ------------------------------------------------------------------


def test_a_job_that_has_moved_is_left_alone(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    job = sample()
    seed.worker("w1")
    seed.scheduled("n", NOW, job)
    before = snapshot(redis, keys)

    said = [
        cancel(client, keys, job, in_stream(keys, NORMAL, b"1-1")),
        cancel(client, keys, job, Spot("scheduled", b"h" + job)),
    ]

    assert ["moved", "moved"] == said
    assert ["moved", "moved"] == heard
    assert before == snapshot(redis, keys).but(sessions=())


def test_another_job_at_the_same_place_is_left_alone(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    other = sample()
    seed.waiting(NORMAL, other)

    assert "moved" == cancel(client, keys, sample(), in_stream(keys, NORMAL, entry_of(redis, keys, NORMAL)))
    assert (Held(other),) == snapshot(redis, keys).ready_normal


def test_what_a_worker_holds_but_somebody_deleted_has_moved(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")
    redis.xdel(keys.ready[1], entry.id)

    assert "moved" == cancel(client, keys, entry.job, in_stream(keys, NORMAL, entry.id))


# -- what somebody holds -------------------------------------------------------------------------


def test_a_job_that_a_worker_holds_is_marked_for_a_day_and_the_supervisors_are_woken(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    entry = seed.holding("w1")
    before = snapshot(redis, keys)

    said = cancel(client, keys, entry.job, in_stream(keys, NORMAL, entry.id))

    assert "cancelling" == said
    assert ["cancelling"] == heard
    assert before.but(
        cancels={id_of(entry.job): NOW}, wake=1, stats={"marked": 1}, sessions=(b"1 cancelling",)
    ) == snapshot(redis, keys)
    assert 0 < redis.pttl(keys.cancels) <= DAY


def test_a_mark_needs_no_place(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job = sample()

    assert "cancelling" == cancel(client, keys, job, ANYWHERE)
    assert {id_of(job): NOW} == snapshot(redis, keys).cancels


def test_no_two_marks_are_of_one_moment_and_each_is_counted(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    """Whoever reads marks goes on behind the last one he saw."""
    jobs = [sample() for _ in range(3)]

    for job in (*jobs, jobs[0]):
        cancel(client, keys, job, ANYWHERE)

    marks = snapshot(redis, keys).cancels
    assert [NOW + 3, NOW + 1, NOW + 2] == [marks[id_of(job)] for job in jobs]
    assert {"marked": 4} == snapshot(redis, keys).stats
    assert 4 == client.execute(commands.promote(keys, now=NOW)).marked


def test_marks_that_have_expired_go_when_another_is_made(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    old, kept, new = sample(), sample(), sample()
    cancel(client, keys, old, ANYWHERE)
    cancel(client, keys, kept, ANYWHERE)

    cancel(client, keys, new, ANYWHERE, now=Milliseconds(NOW + DAY))

    assert {id_of(kept), id_of(new)} == set(snapshot(redis, keys).cancels)


# -- where a marked job ends ---------------------------------------------------------------------


@pytest.mark.parametrize("source", [SUSPECTS, HIGH, LOW])
def test_whoever_pulls_a_marked_job_is_told(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, source: int
) -> None:
    marked, other = sample(), sample()
    seed.worker("w1")
    seed.waiting(source, marked)
    seed.waiting(NORMAL, other)
    seed.marked(id_of(marked))

    pulled = []
    for _ in range(2):  # a suspect comes alone
        reply = client.execute(commands.pull(keys, "w1", 10, alone=True))
        assert isinstance(reply, Pulled)
        pulled += reply.entries

    assert {marked: True, other: False} == {entry.job: entry.marked for entry in pulled}


def test_who_asks_what_it_holds_is_told_of_marks(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    seed.worker("w1")
    marked, other = seed.held("w1", NORMAL, sample(), sample())
    seed.marked(id_of(marked.job))

    held = client.execute(commands.held(keys, "w1", count=10))

    assert isinstance(held, Pulled)
    assert {marked.job: True, other.job: False} == {entry.job: entry.marked for entry in held.entries}


def test_a_marked_job_that_is_settled_as_cancelled_ends_with_its_mark(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entry = seed.holding("w1")
    seed.marked(id_of(entry.job))

    settle(client, keys, commands.cancelled(entry, id_of(entry.job), keep_ms=60_000, record=b"cancelled"))

    left = snapshot(redis, keys)
    assert ({}, {"cancelled": 1}, {text_of(entry.job): b"cancelled"}) == (left.cancels, left.stats, left.results)
    assert [()] * len(SOURCES) == [getattr(left, source) for source in SOURCES]


@pytest.mark.parametrize(("reason", "marks"), [("cancelled", 0), ("retries", 1)])
def test_a_dead_letter_takes_the_mark_with_it_if_it_is_for_the_cancellation(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, reason: str, marks: int
) -> None:
    entry = seed.holding("w1")
    seed.marked(id_of(entry.job))

    settle(client, keys, commands.dead(entry, "", keep_ms=0, failure=b"killed", reason=reason, job=entry.job))

    left = snapshot(redis, keys)
    assert (marks, (Letter(entry.job, reason, b"killed"),)) == (len(left.cancels), left.dead)


@pytest.mark.parametrize("verb", [commands.retry, commands.snooze])
def test_a_marked_job_that_is_to_run_later_does_not_wait_to_be_ended(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, verb: Callable[..., Outcome]
) -> None:
    entry = seed.holding("w1", HIGH)
    seed.marked(id_of(entry.job))

    settle(client, keys, verb(entry, where="h+60000", job=entry.job))

    left = snapshot(redis, keys)
    assert (((Held(entry.job),), ()), 1) == ((left.ready_high, left.scheduled), left.bell)


def test_a_mark_outlives_the_death_of_the_worker(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    entry = seed.holding("w1")
    cancel(client, keys, entry.job, in_stream(keys, NORMAL, entry.id))

    assert Recovered("recovered", overdue=1) == recover(client, keys, overdue=[entry])
    seed.worker("w2")
    pulled = client.execute(commands.pull(keys, "w2", 10, alone=True))

    assert isinstance(pulled, Pulled)
    assert [(True, True)] == [(each.marked, each.overdue) for each in pulled.entries]


# -- repeated calls ------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [True, False])
def test_a_repeated_call_says_the_same_and_does_nothing_more(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, held: bool
) -> None:
    seed.worker("w1")
    job = sample()
    if held:
        entry = seed.held("w1", NORMAL, job)[0].id
    else:
        seed.waiting(NORMAL, job)
        entry = entry_of(redis, keys, NORMAL)
    call = commands.cancel(keys, id_of(job), in_stream(keys, NORMAL, entry), keep_ms=1_000, record=b"", now=NOW)

    first = client.execute(copy_of(call, keys, number=1))
    before = snapshot(redis, keys)
    second = client.execute(copy_of(call, keys, number=1))

    assert ["cancelling" if held else "cancelled"] * 2 == [first, second]
    assert before == snapshot(redis, keys)


def test_a_copy_that_was_overtaken_does_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    entry = seed.holding("w1")
    call = commands.cancel(keys, id_of(entry.job), ANYWHERE, keep_ms=1, record=b"", now=NOW)
    client.execute(copy_of(commands.cancel(keys, bytes(16), ANYWHERE, keep_ms=1, record=b""), keys, number=2))
    before = snapshot(redis, keys)

    assert "stale" == client.execute(copy_of(call, keys, number=1))
    assert "stale" == heard[-1]
    assert before == snapshot(redis, keys)


@pytest.mark.parametrize("name", ["stats", "wake", "scheduled", "cancels"])
def test_a_key_of_another_type_is_a_typed_error_before_anything_is_written(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, name: str
) -> None:
    job = sample()
    seed.waiting(NORMAL, job)
    redis.set(getattr(keys, name), "somebody else's", ex=600)
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        cancel(client, keys, job, in_stream(keys, NORMAL, entry_of(redis, keys, NORMAL)))

    assert before == snapshot(redis, keys)
