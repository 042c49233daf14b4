"""Whatever happens to dead letters in whatever order, repeated calls included: each is in exactly one place."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from heijunka import commands, wire
from heijunka.broker import scripts
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.clock import Milliseconds
from heijunka.commands.letters import Amended, Revival, Revived, amend, purge, revive, trim
from heijunka.keys import DomainKeys
from tests.fixtures import namespaces
from tests.fixtures.domain import Domain
from tests.fixtures.samples import id_of, sample
from tests.fixtures.server import Driver, driver
from tests.lua.scripts.numbered import copy_of

NEVER = Milliseconds(4_000_000_000_000)
"""A time at which everything is due."""


class Sent(msgspec.Struct):
    """A call that was made: by whom, its number among theirs, and the reply to it."""

    caller: str
    number: int
    command: Command[Any]
    reply: Any


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
        """A job is accepted, and the one that is to run next dies."""
        job = sample()
        self.client.execute(commands.enqueue(self.keys, ["h", job]))
        self.place[id_of(job)] = "job"
        return self.die()

    @rule(target=known)
    def die_again(self) -> str:
        """Whatever is to run next dies; names of letters that were never there are as good as old ones."""
        return self.die()

    @rule(caller=callers, names=st.lists(known, min_size=1, max_size=4), where=places, target=called)
    def revive(self, caller: str, names: list[str], where: str) -> Sent:
        """An operator retries letters, some of which may be gone or named twice."""
        jobs = {name: self.letter.get(name) for name in names}
        revivals = [Revival(name, where, sample_of(jobs[name])) for name in names]
        sent = self.send(caller, revive(self.keys, revivals))
        there = {name for name in names if jobs[name] is not None}
        assert len(names) - len(there) == len(sent.reply.absent)
        for name in there:
            self.place[self.letter.pop(name)] = "job"
        self.revived += len(there)
        return sent

    @rule(caller=callers, name=known, target=called)
    def amend_and_forget(self, caller: str, name: str) -> Sent:
        """An operator changes a letter."""
        job = self.letter.pop(name, None)
        sent = self.send(caller, amend(self.keys, name, job=sample_of(job), notes=b"n"))
        assert isinstance(sent.reply, Amended) == (job is not None)
        if job is not None:
            self.letter[sent.reply.entry] = job
        return sent

    @rule(target=known)
    def look(self) -> str:
        """Somebody learns the newest name of a letter."""
        return next(reversed(self.letter), "1-1")

    @rule(caller=callers, names=st.lists(known, min_size=1, max_size=3), target=called)
    def purge(self, caller: str, names: list[str]) -> Sent:
        """An operator purges letters."""
        sent = self.send(caller, purge(self.keys, names))
        assert len({name for name in names if name in self.letter}) == sent.reply.letters
        self.purge_of_model(names)
        return sent

    @rule(keep=st.integers(0, 4))
    def trim(self, keep: int) -> None:
        """A bound is enforced."""
        beyond = list(self.letter)[: max(0, len(self.letter) - keep)]
        assert len(beyond) == self.client.execute(trim(self.keys, keep=keep)).letters
        self.purge_of_model(beyond)

    @rule(sent=called)
    def replay(self, sent: Sent) -> None:
        """A call is sent again: its reply was lost, or a copy of it was late."""
        reply = self.client.execute(sent.command)
        if sent.number < self.numbers[sent.caller]:
            assert commands.Overtaken() == reply
        elif isinstance(sent.reply, Revived):
            assert Revived(sent.reply.absent, replayed=True) == reply
        else:
            assert sent.reply == reply

    @rule()
    def promote(self) -> None:
        """What waits for its time may run."""
        self.client.execute(commands.promote(self.keys, now=NEVER))

    @invariant()
    def each_is_in_exactly_one_place(self) -> None:
        """And where the model says; no job has a record that tells who waits for it that it is dead."""
        jobs = [job for job, place in self.place.items() if place == "job"]
        with self.redis.pipeline(transaction=True) as looking:
            looking.xrange(self.keys.dead)
            looking.zrange(self.keys.scheduled, 0, -1)
            for stream in self.keys.sources:
                looking.xrange(stream)
            looking.exists(*(self.keys.result(wire.id_text(job)) for job in jobs), "none")
            dead, scheduled, *sources, records = looking.execute()
        found = Counter(("letter", id_of(fields[b"j"])) for _, fields in dead)
        found.update(("job", id_of(member[1:])) for member in scheduled)
        found.update(("job", id_of(fields[b"j"])) for source in sources for _, fields in source)
        found.update(("purged", job) for job, place in self.place.items() if place == "purged")

        assert Counter((place, job) for job, place in self.place.items()) == found
        assert 0 == records

    @invariant()
    def the_counters_add_up(self) -> None:
        """The sums that `Depths` promises."""
        depths = self.client.execute(commands.depths(self.keys))
        count = depths.counted
        assert (self.purged, self.revived, self.died) == (count("purged"), count("revived"), count("dead"))
        assert count("enqueued", "revived") == count("dead") + depths.load + depths.scheduled
        assert count("dead") == count("revived", "purged") + depths.dead

    def send(self, caller: str, command: Command[Any]) -> Sent:
        """Make an operator's next call."""
        self.numbers[caller] += 1
        numbered = copy_of(command, self.keys, number=self.numbers[caller], caller=caller)
        return Sent(caller, self.numbers[caller], numbered, self.client.execute(numbered))

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


def tried(redis_url: str, **how: Any) -> None:
    """Run the stories on a server."""
    with Client(redis_url) as client, driver(redis_url) as redis:

        class OnThisServer(Letters):
            def __init__(self) -> None:
                super().__init__(client, redis)

        slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
        run_state_machine_as_test(OnThisServer, settings=settings(deadline=None, suppress_health_check=slow, **how))


def test_every_letter_is_in_exactly_one_place_whatever_happens(redis_url: str) -> None:
    tried(redis_url, max_examples=60, stateful_step_count=40)


@pytest.mark.parametrize(
    ("script", "right", "wrong"),
    [
        ("revive", "if redis.call('XDEL', dead, entry) == 0 then", "if redis.call('XLEN', dead) < 0 then"),
        ("revive", "if seen == 'replayed' then", "if seen == 'never' then"),
        ("revive", "redis.call('ZADD', scheduled, due, letter .. job)", "local lost = job .. letter"),
        ("revive", "redis.call('DEL', results .. id_text(job))", "local kept = results"),
        ("amend", "redis.call('XDEL', dead, letter)", "local kept = letter"),
        ("amend", "reply = redis.call('XADD', dead, '*', unpack(fields))", "reply = letter"),
        ("purge", "redis.call('HINCRBY', stats, 'purged', purged)", "local silent = stats"),
        ("trim", "redis.call('HINCRBY', stats, 'purged', #beyond)", "local silent = stats"),
        ("trim", "length - place >= keep", "length - place > keep"),
    ],
)
def test_a_script_with_a_mistake_is_caught(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, script: str, right: str, wrong: str
) -> None:
    """So what the stories do not find is not there, or rare."""
    broken = tmp_path / "lua"
    shutil.copytree(scripts.folder(), broken)
    text = (broken / f"{script}.lua").read_text()
    assert 1 == text.count(right)
    (broken / f"{script}.lua").write_text(text.replace(right, wrong))
    monkeypatch.setattr(scripts, "folder", lambda: broken)
    scripts.load.cache_clear()
    try:
        with pytest.raises(AssertionError):
            tried(
                redis_url,
                max_examples=100,
                stateful_step_count=40,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                verbosity=Verbosity.quiet,
            )
    finally:
        scripts.load.cache_clear()
