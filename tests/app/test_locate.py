"""Where a job is, told by the structures that hold it on a real server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from heijunka import commands, wire
from heijunka.app.locate import AT_ONCE, CLOCK_DOUBT_MS, Place, alocated, locate, located
from heijunka.broker.aclient import AsyncClient
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.clock import Milliseconds
from heijunka.commands.enqueue import where
from heijunka.keys import PRIORITIES, DomainKeys, Priority
from tests.fixtures.domain import WORKER, Domain

FAILED = wire.Failure(wire.FORMAT, "failed", "poison")


@pytest.fixture
def domain(client: Client, keys: DomainKeys) -> Domain:
    return Domain(client, keys)


def place(domain: Domain, job_id: bytes, accepted_ms: int | None = None) -> Place:
    return located(domain.client, domain.keys, job_id, accepted_ms)


# -- the places ----------------------------------------------------------------------------------


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_job_that_may_run_is_queued(domain: Domain, priority: Priority) -> None:
    _, job_id, _ = domain.accept(3, priority=priority)
    assert Place("queued") == place(domain, job_id)


def test_a_job_that_a_worker_holds_is_running(domain: Domain) -> None:
    first, second = domain.accept(2)
    domain.pull(1)
    assert [Place("running"), Place("queued")] == [place(domain, first), place(domain, second)]


def test_a_delayed_job_is_scheduled_for_its_time(domain: Domain) -> None:
    (job_id,) = domain.accept(delay_ms=60_000)
    assert Place("scheduled", due_ms=domain.accepted_ms + 60_000) == place(domain, job_id)


def test_a_job_that_waits_for_its_next_attempt_is_scheduled(domain: Domain) -> None:
    # given
    (job_id,) = domain.accept()
    (entry,) = domain.pull()

    # when
    domain.settle(commands.retry(entry, where=where("normal", at_ms=4_000_000_000_000), job=domain.blob(job_id, 2)))

    # then
    assert Place("scheduled", due_ms=4_000_000_000_000) == place(domain, job_id)


def test_a_job_that_was_given_back_is_queued(domain: Domain) -> None:
    (job_id,) = domain.accept()
    domain.settle(commands.release(domain.pull()[0]))
    assert Place("queued") == place(domain, job_id)


def test_a_job_whose_worker_died_is_queued_as_a_suspect_and_runs_as_one(domain: Domain) -> None:
    # given
    (job_id,) = domain.accept()
    (entry,) = domain.pull()

    # when
    recover(domain, entry, max_deliveries=3)

    # then
    assert Place("queued", is_suspect=True) == place(domain, job_id)
    domain.pull(alone=True)
    assert Place("running", is_suspect=True) == place(domain, job_id)


def test_a_finished_job_is_done_with_its_result(domain: Domain) -> None:
    (job_id,) = domain.accept()
    (record,) = domain.finish(*domain.pull())
    assert Place("done", result=wire.decode_end(record)) == place(domain, job_id)  # type: ignore[arg-type]


def test_a_dead_lettered_job_is_dead_with_its_failure(domain: Domain) -> None:
    (job_id,) = domain.accept()
    failure = domain.bury(domain.pull()[0])
    assert Place("dead", failure=failure) == place(domain, job_id)


@pytest.mark.parametrize("reason", ["expired", "cancelled"])
def test_ends_that_have_a_name_of_their_own_are_told_by_it(domain: Domain, reason: Any) -> None:
    (job_id,) = domain.accept()
    failure = domain.bury(domain.pull()[0], reason=reason)
    assert Place(reason, failure=failure) == place(domain, job_id)


def test_a_dead_lettered_job_whose_record_is_not_kept_is_found_by_its_letter(domain: Domain) -> None:
    # given
    _, job_id, _ = domain.accept(3)
    failures = [domain.bury(entry, keep_ms=0) for entry in domain.pull(3)]
    letters = [entry.decode() for entry, _ in domain.client.plain("XRANGE", domain.keys.dead, "-", "+")]

    # then
    assert Place("dead", failure=failures[1], letter=letters[1]) == place(domain, job_id)


def test_a_poisonous_job_is_dead_and_its_letter_says_why(domain: Domain) -> None:
    # given
    (job_id,) = domain.accept()
    (entry,) = domain.pull()

    # when
    recover(domain, entry, max_deliveries=1)

    # then
    (letter,) = [entry.decode() for entry, _ in domain.client.plain("XRANGE", domain.keys.dead, "-", "+")]
    assert Place("dead", failure=FAILED, letter=letter) == place(domain, job_id)


def recover(domain: Domain, entry: commands.Entry, *, max_deliveries: int) -> None:
    domain.client.execute(
        commands.recover(
            domain.keys,
            WORKER,
            death="seen",
            failure=wire.encode_end(FAILED),
            max_deliveries=max_deliveries,
            keep_ms=0,
            started=[(entry.source, entry.id.decode())],
        )
    )


def test_a_job_of_which_no_trace_is_left_is_unknown(domain: Domain) -> None:
    # given one that was acked without a result, and one that never was
    (job_id,) = domain.accept()
    domain.settle(commands.ack(domain.pull()[0]))

    # then
    assert [Place("unknown")] * 2 == [place(domain, job_id), place(domain, wire.new_id())]


def test_event_loops_are_told_the_same(domain: Domain, redis_url: str) -> None:
    # given
    first, second = domain.accept(2)
    domain.pull(1)

    async def both() -> list[Place]:
        client = AsyncClient(redis_url)
        try:
            return [await alocated(client, domain.keys, job_id) for job_id in (first, second)]
        finally:
            await client.close()

    # then
    assert [Place("running"), Place("queued")] == asyncio.run(both())


# -- long queues ---------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE - 1, 2 * AT_ONCE, 2 * AT_ONCE + 1])
def test_a_job_is_found_wherever_it_stands_in_a_long_queue(domain: Domain, at: int) -> None:
    ids = domain.accept(2 * AT_ONCE + 2)
    assert Place("queued") == place(domain, ids[at])


@pytest.mark.parametrize("at", [0, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE])
def test_a_job_is_found_wherever_it_stands_among_the_scheduled(domain: Domain, at: int) -> None:
    domain.accept(2 * AT_ONCE + 1, delay_ms=60_000)
    job_id = domain.client.plain("ZRANGE", domain.keys.scheduled, at, at)[0][5:21]
    assert "scheduled" == place(domain, job_id).state


@pytest.mark.parametrize("at", [0, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE])
def test_a_job_is_found_wherever_its_letter_stands(domain: Domain, at: int) -> None:
    ids = domain.accept(2 * AT_ONCE + 1)
    for entry in domain.pull(2 * AT_ONCE + 1):
        domain.bury(entry, keep_ms=0)
    assert "dead" == place(domain, ids[at]).state


def test_what_was_accepted_long_before_is_not_looked_at(domain: Domain) -> None:
    """With the moment of acceptance known, the backlog before it costs nothing."""
    # given a long backlog that was accepted well before the job
    for number in range(2 * AT_ONCE):
        domain.client.plain("XADD", domain.keys.ready[1], f"{1_000 + number}-0", "j", domain.blob(wire.new_id()))
    (job_id,) = domain.accept()

    # when
    without, with_moment = walk(domain, job_id), walk(domain, job_id, accepted_ms=domain.accepted_ms)

    # then
    assert [Place("queued")] * 2 == [without.place, with_moment.place]
    assert [3, 1] == [without.looks_at(domain.keys.ready[1]), with_moment.looks_at(domain.keys.ready[1])]
    assert f"{domain.accepted_ms - CLOCK_DOUBT_MS}-0" == with_moment.commands[-1].args[1]


def test_a_finished_job_costs_one_look(domain: Domain) -> None:
    (job_id,) = domain.accept()
    domain.finish(*domain.pull())
    assert ["ends"] == [command.script for command in walk(domain, job_id).commands]


# -- jobs that move meanwhile --------------------------------------------------------------------

FAR = 4_000_000_000_000


class Mover:
    """One job, and what may happen to it."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.states: set[str] = set()
        self.plan: list[tuple[int, str]] = []
        (self.job_id,) = domain.accept()
        self.pull()

    def move(self, number: int) -> None:
        """Do what is planned for this look."""
        for at, deed in self.plan:
            if at == number:
                getattr(self, deed)()

    def pull(self) -> None:
        (self.entry,) = self.domain.pull(alone=True)
        self.states.add("running")

    def release(self) -> None:
        self.domain.settle(commands.release(self.entry))
        self.states.add("queued")

    def crash(self) -> None:
        recover(self.domain, self.entry, max_deliveries=3)
        self.states.add("queued")

    def retry(self) -> None:
        again = self.domain.blob(self.job_id, 2)
        self.domain.settle(commands.retry(self.entry, where=where("normal", at_ms=FAR), job=again))
        self.states.add("scheduled")

    def promote(self) -> None:
        promoted = self.domain.client.execute(commands.promote(self.domain.keys, now=Milliseconds(FAR)))
        assert 1 == promoted.jobs
        self.states.add("queued")

    def finish(self) -> None:
        self.domain.finish(self.entry)
        self.states.add("done")

    def bury(self) -> None:
        self.domain.bury(self.entry, keep_ms=0)
        self.states.add("dead")


MOVES: list[tuple[list[str], list[str], list[str]]] = [
    # what has happened before · while it is looked for · and once more
    ([], ["retry"], ["promote"]),
    ([], ["release"], ["pull", "retry"]),
    ([], ["crash"], ["pull", "retry"]),
    ([], ["crash"], ["pull", "finish"]),
    (["retry"], ["promote"], ["pull", "retry"]),
    (["retry"], ["promote", "pull"], ["bury"]),
    (["release", "pull"], ["retry"], ["promote"]),
    (["crash", "pull"], ["retry"], ["promote", "pull", "bury"]),
]

LOOKS_OF_TWO_PASSES = 1 + 2 * (1 + 7 + 1)


@pytest.mark.parametrize(("first", "then", "last"), MOVES)
def test_a_job_that_moves_while_it_is_looked_for_is_found(
    domain: Domain, first: list[str], then: list[str], last: list[str]
) -> None:
    """Whenever it moves, and whenever it moves again: the answer is a place where it was meanwhile."""
    for one, other in itertools.combinations_with_replacement(range(LOOKS_OF_TWO_PASSES), 2):
        # given
        mover = Mover(Domain(domain.client, DomainKeys(domain.keys.namespace, f"at-{one}-{other}")))
        for deed in first:
            getattr(mover, deed)()
        mover.states = {place(mover.domain, mover.job_id).state}

        # when
        mover.plan = [(one, deed) for deed in then] + [(other, deed) for deed in last]
        walked = walk(mover.domain, mover.job_id, before=mover.move)

        # then
        assert walked.place.state in mover.states, f"moved before looks {one} and {other}"


def test_a_scheduled_job_is_not_overlooked_because_others_are_promoted(domain: Domain) -> None:
    """Promotion takes the soonest and shifts all others to lower ranks."""
    # given 10 jobs that become due while we look, and one that then stands where we had looked
    domain.accept(10, delay_ms=1_000)
    due_ms = domain.accepted_ms + 1_000
    domain.accept(2 * AT_ONCE - 10, delay_ms=60_000)
    job_id = domain.client.plain("ZRANGE", domain.keys.scheduled, AT_ONCE, AT_ONCE)[0][5:21]

    def promote(number: int) -> None:
        if number == 2:
            promoted = domain.client.execute(commands.promote(domain.keys, now=Milliseconds(due_ms)))
            assert 10 == promoted.jobs

    # when
    walked = walk(domain, job_id, before=promote)

    # then it is found at the first attempt
    assert "scheduled" == walked.place.state
    assert {"ends", "seek_scheduled"} == {command.script for command in walked.commands}


class Walked(msgspec.Struct):
    """How a job was found."""

    place: Place
    commands: list[Command[Any]]

    def looks_at(self, key: str) -> int:
        return sum(key in command.keys for command in self.commands)


def walk(
    domain: Domain,
    job_id: bytes,
    *,
    accepted_ms: int | None = None,
    before: Callable[[int], object] = lambda number: None,
) -> Walked:
    """Look for a job, with something happening before each look (numbered from 0)."""
    steps, reply, asked = locate(domain.keys, job_id, accepted_ms), None, []
    try:
        while True:
            asked.append(steps.send(reply))
            before(len(asked) - 1)
            reply = domain.client.execute(asked[-1])
    except StopIteration as end:
        return Walked(end.value, asked)
