"""Whatever happens to dead letters in whatever order, repeated calls included: each is in exactly one place."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from heijunka import commands, wire
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.clock import Milliseconds
from heijunka.commands.letters import Amended, Revival, amend, purge, revive, trim
from heijunka.keys import DomainKeys
from tests.fixtures import namespaces
from tests.fixtures.domain import Domain
from tests.fixtures.samples import id_of, sample
from tests.fixtures.server import Driver, driver
from tests.fixtures.snapshot import SOURCES, snapshot
from tests.lua.scripts.numbered import copy_of

NEVER = Milliseconds(4_000_000_000_000)
"""A time at which everything is due."""

callers = st.sampled_from(["ann", "bob"])
places = st.sampled_from(["h", "n", "l", "n+60000", f"l@{NEVER - 1}"])


class Letters(RuleBasedStateMachine):
    """One domain, what should be in it, and every call that its two operators made.

    The places are "letter", "job" and "purged"; the model knows of nothing else.
    """

    known = Bundle("known")
    called = Bundle("called")

    def __init__(self, client: Client, redis: Driver) -> None:
        super().__init__()
        self.client, self.redis = client, redis
        self.keys = DomainKeys(namespaces.namespace_for("interleavings"), "payment")
        self.domain = Domain(client, self.keys)
        self.place: dict[bytes, str] = {}
        self.letter: dict[str, bytes] = {}
        self.numbers = Counter[str]()
        self.purged = self.revived = self.died = 0

    @rule(target=known)
    def bury(self) -> str:
        """A job is accepted, pulled, and dies."""
        self.client.execute(commands.enqueue(self.keys, ["h", sample()]))
        return self.die()

    @rule(target=known)
    def die_again(self) -> str:
        """Whatever is to run next dies; names of letters that were never there are as good as old ones."""
        return self.die()

    @rule(caller=callers, names=st.lists(known, min_size=1, max_size=4), where=places, target=called)
    def revive(self, caller: str, names: list[str], where: str) -> Command[Any]:
        """An operator retries letters, some of which may be gone or named twice."""
        jobs = {name: self.letter.get(name) for name in names}
        revivals = [Revival(name, where, sample_of(jobs[name])) for name in names]
        call, reply = self.call(caller, revive(self.keys, revivals))
        there = {name for name in names if jobs[name] is not None}
        assert len(names) - len(there) == len(reply.absent)
        for name in there:
            self.place[self.letter.pop(name)] = "job"
        self.revived += len(there)
        return call

    @rule(caller=callers, name=known, target=called)
    def amend_and_forget(self, caller: str, name: str) -> Command[Any]:
        """An operator changes a letter."""
        job = self.letter.pop(name, None)
        call, reply = self.call(caller, amend(self.keys, name, job=sample_of(job), notes=b"n"))
        assert isinstance(reply, Amended) == (job is not None)
        if job is not None:
            self.letter[reply.entry] = job
        return call

    @rule(target=known)
    def look(self) -> str:
        """Somebody learns the newest name of a letter."""
        return next(reversed(self.letter), "1-1")

    @rule(caller=callers, names=st.lists(known, min_size=1, max_size=3), target=called)
    def purge(self, caller: str, names: list[str]) -> Command[Any]:
        """An operator purges letters."""
        call, reply = self.call(caller, purge(self.keys, names))
        assert len({name for name in names if name in self.letter}) == reply.letters
        self.purge_of_model(names)
        return call

    @rule(keep=st.integers(0, 4))
    def trim(self, keep: int) -> None:
        """A bound is enforced."""
        beyond = list(self.letter)[: max(0, len(self.letter) - keep)]
        assert len(beyond) == self.client.execute(trim(self.keys, keep=keep)).letters
        self.purge_of_model(beyond)

    @rule(call=called)
    def replay(self, call: Command[Any]) -> None:
        """A call is sent again: its reply was lost, or a copy of it was late."""
        self.client.execute(call)

    @rule(call=consumes(called))
    def replay_for_the_last_time(self, call: Command[Any]) -> None:
        """The same, and nobody will do so again."""
        self.client.execute(call)

    @rule()
    def promote(self) -> None:
        """What waits for its time may run."""
        self.client.execute(commands.promote(self.keys, now=NEVER))

    @invariant()
    def each_is_in_exactly_one_place(self) -> None:
        """And where the model says; no letter has a result that says it is dead while it is a job."""
        state = snapshot(self.redis, self.keys)
        jobs = [held.job for source in SOURCES for held in getattr(state, source)]
        jobs += [job for _, _, job in state.scheduled]
        found = Counter({("letter", id_of(letter.job)): 0 for letter in state.dead})
        found.update(("letter", id_of(letter.job)) for letter in state.dead)
        found.update(("job", id_of(job)) for job in jobs)
        purged = [("purged", job) for job, place in self.place.items() if place == "purged"]

        assert Counter((place, job) for job, place in self.place.items()) == found + Counter(purged)
        assert {wire.id_text(job) for job, place in self.place.items() if place != "job"} == set(state.results)

    @invariant()
    def the_counters_add_up(self) -> None:
        """The sums that `Depths` promises."""
        depths = self.client.execute(commands.depths(self.keys))
        count = depths.counted
        assert (self.purged, self.revived, self.died) == (count("purged"), count("revived"), count("dead"))
        assert count("enqueued", "revived") == count("dead") + depths.load + depths.scheduled
        assert count("dead") == count("revived", "purged") + depths.dead

    def call(self, caller: str, command: Command[Any]) -> tuple[Command[Any], Any]:
        """Make an operator's next call; the call, to be sent again, and its reply."""
        self.numbers[caller] += 1
        numbered = copy_of(command, self.keys, number=self.numbers[caller], caller=caller)
        return numbered, self.client.execute(numbered)

    def die(self) -> str:
        """Let the next job die; its letter's name, or that of no letter."""
        taken = self.domain.pull()
        if not taken:
            return "1-1"
        self.domain.bury(taken[0])
        [(entry, _)] = self.redis.xrevrange(self.keys.dead, count=1)
        job = id_of(taken[0].job)
        self.place[job], self.letter[entry.decode()] = "letter", job
        self.died += 1
        return str(entry.decode())

    def purge_of_model(self, names: list[str]) -> None:
        """The model lets go of letters."""
        for name in names:
            job = self.letter.pop(name, None)
            if job is not None:
                self.place[job] = "purged"
                self.purged += 1

    def teardown(self) -> None:
        """Leave nothing."""
        left = namespaces.leaks(self.redis, self.keys.namespace)
        namespaces.remove(self.redis, self.keys.namespace)
        assert [] == left


def sample_of(job_id: bytes | None) -> bytes:
    """Some blob of a job; of any when its letter is gone."""
    return Domain.blob(job_id or wire.new_id())


def test_every_letter_is_in_exactly_one_place_whatever_happens(redis_url: str) -> None:
    with Client(redis_url) as client, driver(redis_url) as redis:
        run_state_machine_as_test(
            lambda: Letters(client, redis),
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
