"""Any calls in any order: the structures in Redis add up to a simple model of the jobs after every single one.

Three workers pull, settle, crash and lapse; callers repeat numbered calls; time is an argument. Whatever
happened, everything can be drained in the end and nothing is left.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from heijunka import commands, wire
from heijunka.app.cancel import Steps, called_off
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.commands import Accepted, Entry, Lost, Promoted, Pulled, Settled
from heijunka.keys import DomainKeys
from tests.fixtures.namespaces import leaks, namespace_for, remove
from tests.fixtures.samples import id_of, sample
from tests.fixtures.server import Driver, driver
from tests.fixtures.snapshot import consumers
from tests.lua.scripts.caller import Caller
from tests.lua.scripts.job_model import MAX_DELIVERIES, JobModel
from tests.lua.scripts.outcomes import outcome

R = TypeVar("R")

WORKERS = ("w1", "w2", "w3")
VERBS = ("ack", "done", "retry", "snooze", "dead", "dropped", "release", "cancelled")
LEASE = Milliseconds(1_000)

places = st.builds(
    lambda letter, when: letter + when, st.sampled_from("hnl"), st.sampled_from(["", "", "+0", "+1", "+300", "+2000"])
)
workers = st.sampled_from(WORKERS)
returns = st.sampled_from([True, True, True, False])
"""Whether a worker of the same name comes back at once."""


def next_attempt(job: bytes) -> bytes:
    """The blob of the next attempt: the same job."""
    decoded = wire.decode_job(job)
    return wire.encode_job(msgspec.structs.replace(decoded, attempt=decoded.attempt + 1))


def some_of(entries: list[Entry]) -> st.SearchStrategy[list[Entry]]:
    """Some of them, at least one if there is one."""
    return st.lists(st.sampled_from(entries), unique=True, min_size=1) if entries else st.just([])


class Seen(msgspec.Struct, frozen=True):
    """What is in Redis, by its own commands."""

    jobs: int
    pending: dict[str, int]
    scheduled: int
    dead: int
    workers: dict[str, int]
    stats: dict[str, int]
    bells: tuple[int, int]


class RandomCalls(RuleBasedStateMachine):
    """One domain and everybody who calls its scripts."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.redis: Driver = driver(self.url)
        self.client = Client(self.url)
        self.keys = DomainKeys(namespace_for("random-calls"), "payment")
        self.model = JobModel()
        self.now = Milliseconds(1_700_000_000_000)
        self.leases: dict[str, int] = {}
        self.entries: dict[str, list[Entry]] = {worker: [] for worker in WORKERS}
        self.taken_away: list[Entry] = []
        self.callers = [Caller(self.client, self.keys, name) for name in ("producer", "settler", "canceller")]
        for worker in WORKERS:
            self._join(worker)

    # -- what producers and promoters do

    @initialize(where=st.lists(places, min_size=8, max_size=20))
    def begin(self, where: list[str]) -> None:
        self.enqueue(where)

    @rule(where=st.lists(places, min_size=1, max_size=12))
    def enqueue(self, where: list[str]) -> None:
        jobs = [sample() for _ in where]
        flat = [each for pair in zip(where, jobs, strict=True) for each in pair]
        assert Accepted(self.now) == self.callers[0].call(commands.enqueue(self.keys, flat, now=self.now))
        for place, job in zip(where, jobs, strict=True):
            self.model.put(job, place, self.now)
        self.model.counted["enqueued"] += len(jobs)

    @rule(ms=st.sampled_from([0, 1, 299, 700]), limit=st.integers(1, 20))
    def promote(self, ms: int, limit: int) -> None:
        self.now = Milliseconds(self.now + ms)
        promoted = self.client.execute(commands.promote(self.keys, limit=limit, now=self.now))
        moved = self.model.promote(self.now, limit)
        left = [self.model.jobs[job].due for job in self.model.of("scheduled")]
        wait_ms = max(0, min(left) - self.now) if left else None
        assert Promoted(moved, wait_ms, self.model.counted["marked"]) == promoted

    # -- what workers do

    @rule(worker=workers, count=st.integers(1, 12), others=st.booleans())
    def pull(self, worker: str, count: int, others: bool) -> None:
        """One worker pulls, and perhaps the others after it."""
        for each in [worker, *(each for each in WORKERS if others and each != worker)]:
            self.pull_as(each, count)

    def pull_as(self, worker: str, count: int) -> None:
        alone = not self.entries[worker]
        ready, suspects = self.model.of("ready"), self.model.of("suspect")
        reply = self.client.execute(commands.pull(self.keys, worker, count, alone=alone))
        if worker not in self.leases:
            assert Lost() == reply
            return
        assert isinstance(reply, Pulled)
        assert (bool(suspects) and not alone) == reply.suspects
        taken = [entry.job for entry in reply.entries]
        if alone and suspects:
            assert taken == [job for job in taken if job in suspects]
            assert 1 == len(taken)
        else:
            assert min(count, len(ready)) == len(taken)
            best = sorted((self.model.jobs[job].letter for job in ready), key="hnl".index)[: len(taken)]
            assert best == [self.model.jobs[job].letter for job in taken]
        for entry in reply.entries:
            self.model.take(worker, entry)
        self.entries[worker] += reply.entries

    def ask_what_is_held(self, worker: str) -> None:
        reply = self.client.execute(commands.held(self.keys, worker, count=1_000))
        if worker not in self.leases:
            assert Lost() == reply
            return
        assert isinstance(reply, Pulled)
        mine = [msgspec.structs.replace(each, marked=self.model.jobs[each.job].marked) for each in self.entries[worker]]
        assert by_place(mine) == by_place(reply.entries)

    @rule(worker=workers, data=st.data())
    def settle(self, worker: str, data: st.DataObject) -> None:
        """Some of what it holds, and sometimes what it held once."""
        mine = self.entries[worker]
        picked = data.draw(some_of(mine))
        lost = data.draw(some_of(self.taken_away)) if data.draw(st.booleans()) else []
        mixed = data.draw(st.permutations([*picked, *lost]))
        plans = [(entry, data.draw(st.sampled_from(VERBS)), data.draw(places)) for entry in mixed]
        followings = [next_attempt(entry.job) if verb == "retry" else entry.job for entry, verb, _ in plans]
        outcomes = [
            outcome(verb, entry, where, job) for (entry, verb, where), job in zip(plans, followings, strict=True)
        ]
        settled = self.callers[1].call(commands.settle(self.keys, outcomes, now=self.now))
        fenced = tuple(place for place, entry in enumerate(mixed) if entry in lost)
        assert Settled(fenced, replayed=False) == settled
        for (entry, verb, where), job in zip(plans, followings, strict=True):
            if entry in picked:
                self.model.end(verb, entry.job, where, job, self.now)
                mine.remove(entry)

    # -- what people do

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Wherever it is; what somebody holds goes on until its holder or the next one ends it."""
        job = data.draw(st.sampled_from(list(self.model.jobs)))
        assert self.model.cancel(job) == self.carried_out(called_off(self.keys, id_of(job)))

    def carried_out(self, steps: Steps) -> str:
        """What steps come to that yield commands and are sent the replies."""
        reply = None
        while True:
            try:
                command = steps.send(reply)
            except StopIteration as end:
                said: str = end.value
                return said
            numbered = command.sessions is not None
            reply = self.callers[2].call(command) if numbered else self.client.execute(command)

    # -- what goes wrong

    @rule(worker=workers, limit=st.integers(1, 5), back=returns, data=st.data())
    def crash(self, worker: str, limit: int, back: bool, data: st.DataObject) -> None:
        """Its supervisor saw it die or killed it, and knows what it was running, and what of that too long."""
        mine = self.entries[worker]
        started = data.draw(some_of(mine)) if data.draw(st.booleans()) else mine
        overdue = started[: data.draw(st.sampled_from([0, 0, 1, 2]))]
        self._recover(worker, "seen", [entry for entry in started if entry not in overdue], overdue, limit)
        if back:
            self._join(worker)

    @rule(worker=workers, limit=st.integers(1, 5), back=returns, ms=st.sampled_from([0, 400, 1_000, 5_000]))
    def lapse(self, worker: str, limit: int, back: bool, ms: int) -> None:
        """Nobody heard of it for a while."""
        self.now = Milliseconds(self.now + ms)
        over = {name for name, expires in self.leases.items() if expires <= self.now}
        lapsed: tuple[str, ...] = self.client.execute(commands.lapsed(self.keys, now=self.now))
        assert over == set(lapsed)
        self._recover(worker, "lapsed", self.entries[worker], [], limit)
        if back:
            self._join(worker)

    @rule(act=st.sampled_from(["renew", "join", "leave", "ask"]), worker=workers, back=returns)
    def be_a_worker(self, act: str, worker: str, back: bool) -> None:
        if act == "renew":
            self.renew({worker, WORKERS[0]})
        elif act == "join":
            self._join(worker)
        elif act == "leave":
            self.leave(worker, back)
        else:
            self.ask_what_is_held(worker)

    def renew(self, some: set[str]) -> None:
        renewed = self.client.execute(commands.renew(self.keys, sorted(some), ttl=LEASE, now=self.now))
        assert tuple(sorted(some - set(self.leases))) == renewed.lost
        self.leases |= dict.fromkeys(some & set(self.leases), self.now + LEASE)

    def leave(self, worker: str, back: bool) -> None:
        left = self.client.execute(commands.leave(self.keys, worker)).left
        assert left == (not self.entries[worker])
        if left:
            self.leases.pop(worker, None)
        if back:
            self._join(worker)

    @precondition(lambda self: any(caller.has_called() for caller in self.callers))
    @rule()
    def send_everything_again(self) -> None:
        for caller in self.callers:
            if caller.has_called():
                before = self.seen()
                caller.repeat()
                caller.arrive_late()
                assert before == self.seen()

    # -- what holds after every step

    @invariant()
    def redis_adds_up_to_the_model(self) -> None:
        held = Counter(alive.by for alive in self.model.jobs.values() if alive.by)
        seen = self.seen()
        assert len(self.model.jobs) - len(self.model.of("scheduled")) == seen.jobs
        assert held == seen.pending
        assert len(self.model.of("scheduled")) == seen.scheduled
        assert len(self.model.dead) == seen.dead
        assert self.leases == seen.workers
        assert self.model.counted == seen.stats
        assert max(seen.bells) <= 1

    def teardown(self) -> None:
        try:
            self._drain()
        finally:
            remove(self.redis, self.keys.namespace)
            self.redis.close()
            self.client.close()

    def _drain(self) -> None:
        self.now = Milliseconds(self.now + 10_000)
        for worker in WORKERS:
            self._join(worker)
        while self.model.jobs:
            self.promote(0, 500)
            for worker in WORKERS:
                self.pull_as(worker, 100)
                entries, self.entries[worker] = self.entries[worker], []
                self.callers[1].call(commands.settle(self.keys, map(commands.ack, entries), now=self.now))
                for entry in entries:
                    self.model.end("ack", entry.job, "", b"", self.now)
        for worker in WORKERS:
            self.leave(worker, back=False)
        self.redis_adds_up_to_the_model()
        assert set() == consumers(self.redis, self.keys)
        assert 0 == self.client.execute(commands.depths(self.keys)).load
        assert [] == leaks(self.redis, self.keys.namespace)

    def _join(self, worker: str) -> None:
        self.client.execute(commands.join(self.keys, worker, ttl=LEASE, now=self.now))
        self.leases[worker] = self.now + LEASE

    def _recover(self, worker: str, death: Any, started: list[Entry], overdue: list[Entry], limit: int) -> None:
        command = commands.recover(
            self.keys,
            worker,
            death=death,
            failure=b"the failure",
            max_deliveries=MAX_DELIVERIES,
            keep_ms=1_000,
            started=[(entry.source, entry.id.decode()) for entry in started],
            overdue=[(entry.source, entry.id.decode()) for entry in overdue],
            limit=limit,
            now=self.now,
        )
        while (recovered := self.client.execute(command)).state == "more":
            pass
        if worker not in self.leases:
            assert "unknown" == recovered.state
        elif death == "lapsed" and self.leases[worker] > self.now:
            assert "alive" == recovered.state
        else:
            assert "recovered" == recovered.state
            self.model.crash(worker, {entry.job for entry in started}, {entry.job for entry in overdue})
            self.taken_away = [*self.taken_away, *self.entries[worker]][-20:]
            self.entries[worker] = []
            del self.leases[worker]

    def seen(self) -> Seen:
        keys, asked = self.keys, self.redis.pipeline(transaction=False)
        for stream in keys.sources:
            asked.xlen(stream)
        for stream in keys.sources:
            asked.xpending(stream, "workers")
        asked.zcard(keys.scheduled).xlen(keys.dead).zrange(keys.workers, 0, -1, withscores=True)
        asked.hgetall(keys.stats).llen(keys.bell).llen(keys.wake)
        replies = asked.execute()
        pending: Counter[str] = Counter()
        for summary in replies[7:14]:
            for consumer in summary["consumers"]:
                pending[consumer["name"].decode()] += int(consumer["pending"])
        scheduled, dead, leases, stats, bell, wake = replies[14:]
        return Seen(
            jobs=sum(replies[:7]),
            pending=pending,
            scheduled=scheduled,
            dead=dead,
            workers={name.decode(): int(expires) for name, expires in leases},
            stats={name.decode(): int(count) for name, count in stats.items()},
            bells=(bell, wake),
        )


def by_place(entries: list[Entry]) -> list[Entry]:
    """In the order of their sources and of their entries."""
    return sorted(entries, key=lambda entry: (entry.source, [int(part) for part in entry.id.split(b"-")]))


def run(url: str, chosen: settings) -> None:
    """Run the machine on a server."""
    run_state_machine_as_test(type("RandomCalls", (RandomCalls,), {"url": url}), settings=chosen)


def test_redis_adds_up_to_the_model_after_any_calls(redis_url: str) -> None:
    """The same calls in every run: 4,000. A failure names its calls; the slow test finds the fewest."""
    same = settings(max_examples=100, stateful_step_count=40, derandomize=True, phases=[Phase.generate])
    run(redis_url, same)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_redis_adds_up_to_the_model_after_any_of_very_many_calls(redis_url: str) -> None:
    """Other calls in every run: 24,000."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run(redis_url, settings(max_examples=400, stateful_step_count=60, suppress_health_check=checks))
