"""pause: nothing of a paused priority is pulled, whatever stream it waits in; jobs are accepted as ever."""

from __future__ import annotations

from typing import Literal

import pytest

from heijunka import commands
from heijunka.commands import Pulled
from heijunka.commands.pause import pause
from heijunka.errors import ScriptError
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import HIGH, LOW, NORMAL, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Snapshot, snapshot


def taken(client: Executor, keys: DomainKeys, *, count: int = 10, alone: bool = True) -> Pulled:
    reply = client.execute(commands.pull(keys, "w1", count, alone=alone))
    assert isinstance(reply, Pulled)
    return reply


def jobs(reply: Pulled) -> list[bytes]:
    return [entry.job for entry in reply.entries]


def test_what_is_paused_is_written_down_in_the_order_of_priorities(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    assert "l" == client.execute(pause(keys, "pause", "l"))
    assert "hl" == client.execute(pause(keys, "pause", "lh"))
    assert "hl" == client.execute(pause(keys, "pause", "h"))

    assert Snapshot(limits={"paused": "hl"}) == snapshot(redis, keys)
    assert "paused" == heard[-1]


def test_who_resumes_wakes_a_worker_and_leaves_no_trace(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    client.execute(pause(keys, "pause", "hnl"))

    assert "nl" == client.execute(pause(keys, "resume", "h"))
    assert "" == client.execute(pause(keys, "resume", "hnl"))

    assert Snapshot(bell=1) == snapshot(redis, keys)


@pytest.mark.parametrize("backend", ["server"], indirect=True)
def test_another_verb_changes_nothing(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    verb: Literal["pause"] = "halt"  # type: ignore[assignment]

    with pytest.raises(ScriptError):
        client.execute(pause(keys, verb, "h"))

    assert Snapshot() == snapshot(redis, keys)


# -- what is pulled ------------------------------------------------------------------------------


@needs_server
@pytest.mark.parametrize(("letters", "left"), [("n", [HIGH, LOW]), ("hl", [RETURNED_NORMAL, NORMAL]), ("hnl", [])])
def test_a_pull_takes_of_the_other_priorities_and_tells_which_are_paused(
    client: Executor, keys: DomainKeys, seed: Seed, heard: list[str], *, letters: str, left: list[int]
) -> None:
    seed.worker("w1")
    for source in (HIGH, RETURNED_NORMAL, NORMAL, LOW):
        seed.waiting(source, sample())
    client.execute(pause(keys, "pause", letters))

    reply = taken(client, keys)

    assert (left, letters) == ([entry.source for entry in reply.entries], reply.paused)
    assert "paused" == heard[-1]


@needs_server
def test_jobs_that_come_during_a_pause_are_kept_in_order(client: Executor, keys: DomainKeys, seed: Seed) -> None:
    seed.worker("w1")
    client.execute(pause(keys, "pause", "n"))
    came = samples(5)
    for job in came:
        client.execute(commands.enqueue(keys, ["n", job]))
    assert [] == jobs(taken(client, keys))

    client.execute(pause(keys, "resume", "n"))

    assert came == jobs(taken(client, keys))


@needs_server
def test_a_suspect_of_a_paused_priority_waits_and_keeps_no_other_from_its_turn(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    paused, other = sample(), sample()
    seed.waiting(SUSPECTS, paused)
    redis.xadd(keys.suspects, {"j": other, "d": 1, "p": "h"})
    client.execute(pause(keys, "pause", "n"))

    first, second = taken(client, keys), taken(client, keys, alone=False)

    assert ([other], "n") == (jobs(first), first.paused)
    assert ([], False) == (jobs(second), second.suspects), "nobody is to be alone for one that is paused"
    client.execute(pause(keys, "resume", "n"))
    [entry] = taken(client, keys).entries
    assert (paused, 1, "n") == (entry.job, entry.deliveries, entry.priority)


@needs_server
def test_a_worker_that_holds_something_is_told_of_a_suspect_that_is_not_paused(
    client: Executor, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    seed.waiting(SUSPECTS, sample())
    client.execute(pause(keys, "pause", "h"))

    assert Pulled([], suspects=True, paused="h") == taken(client, keys, alone=False)
