"""revive: a dead letter becomes a job again in one step, once, wherever it is wanted."""

from __future__ import annotations

import pytest

from heijunka.clock import Milliseconds
from heijunka.commands.enqueue import Overtaken, where
from heijunka.commands.letters import Revival, Revived, revive
from heijunka.errors import ScriptError, WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.letters import bury, failure
from tests.fixtures.samples import sample, samples, text_of
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Held, Letter, Snapshot, snapshot
from tests.lua.scripts.numbered import copy_of

NOW = Milliseconds(1_700_000_000_000)


def sessionless(state: Snapshot) -> Snapshot:
    """A state without what callers are remembered by."""
    return state.but(sessions=())


def test_letters_come_back_where_they_are_wanted(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    high, normal, low, later, left = samples(5)
    calls = [
        Revival(bury(redis, keys, high), where("high"), high),
        Revival(bury(redis, keys, normal), where("normal"), normal),
        Revival(bury(redis, keys, low), where("low"), low),
        Revival(bury(redis, keys, later, deliveries=3), where("normal", at_ms=NOW + 400), later),
    ]
    bury(redis, keys, left)

    revived = client.execute(revive(keys, calls, now=NOW))

    assert Revived(absent=()) == revived
    assert Snapshot(
        ready_high=(Held(high),),
        ready_normal=(Held(normal),),
        ready_low=(Held(low),),
        scheduled=((NOW + 400, "n", later),),
        dead=(Letter(left, "retries", failure()),),
        bell=1,
        wake=1,
        stats={"revived": 4},
    ) == sessionless(snapshot(redis, keys))
    assert "revived" == heard[-1]


def test_the_job_comes_back_as_the_caller_wants_it(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    from heijunka import wire

    last = sample(attempt=5)
    fresh = wire.encode_job(wire.Job(wire.FORMAT, wire.decode_job(last).id, "charge", wire.raw(b"\x80"), 1))

    client.execute(revive(keys, [Revival(bury(redis, keys, last), "n", fresh)], now=NOW))

    assert (Held(fresh),) == snapshot(redis, keys).ready_normal


def test_what_is_due_already_may_run_at_once(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job = sample()

    client.execute(revive(keys, [Revival(bury(redis, keys, job), f"n@{NOW}", job)], now=NOW))

    state = snapshot(redis, keys)
    assert ((Held(job),), (), 1, 0) == (state.ready_normal, state.scheduled, state.bell, state.wake)


def test_the_record_of_the_death_goes_for_the_job_is_alive(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job, other = samples(2)
    entry = bury(redis, keys, job)
    for one in (job, other):
        redis.set(keys.result(text_of(one)), failure(), px=60_000)

    client.execute(revive(keys, [Revival(entry, "n", job)], now=NOW))

    assert {text_of(other): failure()} == snapshot(redis, keys).results


def test_letters_that_are_gone_are_named_and_nothing_is_made_of_them(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    first, second = samples(2)
    entry = bury(redis, keys, second)
    calls = [Revival("1-1", "n", first), Revival(entry, "n", second), Revival(entry, "h", second)]

    revived = client.execute(revive(keys, calls, now=NOW))

    assert Revived(absent=(0, 2)) == revived
    assert Snapshot(ready_normal=(Held(second),), bell=1, stats={"revived": 1}) == sessionless(snapshot(redis, keys))


def test_a_repeated_call_is_told_what_the_first_one_did(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    first, second = samples(2)
    calls = [Revival("1-1", "n", first), Revival(bury(redis, keys, second), "n+500", second)]
    call = copy_of(revive(keys, calls), keys, number=3)

    first_reply = client.execute(call)
    before = snapshot(redis, keys)
    second_reply = client.execute(call)

    assert [Revived((0,)), Revived((0,), replayed=True)] == [first_reply, second_reply]
    assert before == snapshot(redis, keys)
    assert ["revived", "replayed"] == heard


def test_a_repeated_call_does_not_bring_back_what_died_again(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job = sample()
    call = copy_of(revive(keys, [Revival(bury(redis, keys, job), "n", job)]), keys, number=3)
    client.execute(call)
    redis.delete(keys.ready[1])
    again = bury(redis, keys, job)
    before = snapshot(redis, keys)

    client.execute(call)

    assert before == snapshot(redis, keys)
    assert Revived(()) == client.execute(revive(keys, [Revival(again, "n", job)]))


def test_an_overtaken_copy_does_nothing(client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]) -> None:
    first, second = samples(2)
    calls = [[Revival(bury(redis, keys, job), "n", job)] for job in (first, second)]
    client.execute(copy_of(revive(keys, calls[0]), keys, number=5))
    before = snapshot(redis, keys)

    late = client.execute(copy_of(revive(keys, calls[1]), keys, number=4))

    assert Overtaken() == late
    assert before == snapshot(redis, keys)
    assert "stale" == heard[-1]


def test_bells_that_ring_are_not_rung_again(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    jobs = samples(4)
    calls = [
        Revival(bury(redis, keys, job), place, job) for job, place in zip(jobs, ("n", "h", "n+9", "l+9"), strict=True)
    ]

    client.execute(revive(keys, calls, now=NOW))

    state = snapshot(redis, keys)
    assert (1, 1) == (state.bell, state.wake)


@needs_server
@pytest.mark.parametrize(
    ("place", "own_job", "words"),
    [("x", True, "no place is called x"), ("n", False, "the job of another letter")],
)
def test_a_call_that_is_wrong_anywhere_leaves_every_letter(
    client: Executor, redis: Driver, keys: DomainKeys, place: str, words: str, *, own_job: bool
) -> None:
    first, second = samples(2)
    right = Revival(bury(redis, keys, first), "n", first)
    wrong = Revival(bury(redis, keys, second), place, second if own_job else sample())
    before = snapshot(redis, keys)

    with pytest.raises(ScriptError, match=words):
        client.execute(revive(keys, [right, wrong], now=NOW))

    assert before == snapshot(redis, keys)


@needs_server
@pytest.mark.parametrize(
    "name", ["stats", "bell", "wake", "scheduled", "dead", "ready:high", "ready:normal", "ready:low"]
)
def test_a_key_of_another_type_leaves_every_letter(
    client: Executor, redis: Driver, keys: DomainKeys, name: str
) -> None:
    job = sample()
    entry = bury(redis, keys, job) if name != "dead" else "1-1"
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(revive(keys, [Revival(entry, "n+5", job)], now=NOW))

    assert before == snapshot(redis, keys)
