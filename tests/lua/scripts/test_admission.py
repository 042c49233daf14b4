"""Admission: whatever is called in whatever order, no call brings the load above a limit, and every job is counted.

The model is a dozen lines: how many jobs of each priority are ready or held, and what Redis is asked besides.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

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

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.commands import Accepted, Granted, Refused
from heijunka.keys import SUSPECTS, DomainKeys
from heijunka.policies.admission import Limits, in_jobs, spelled
from tests.fixtures.namespaces import leaks, namespace_for, remove
from tests.fixtures.samples import sample
from tests.fixtures.server import Driver, driver
from tests.lua.scripts.caller import Caller

NOW = 1_700_000_000_000
LEASE = Milliseconds(60_000)
INFINITE = 10**9
COUNTED = ("admitted_", "soft_", "refused_", "granted_", "released_")

places = st.builds(lambda letter, when: letter + when, st.sampled_from("hnl"), st.sampled_from(["", "", "", "+700"]))
bounds = st.builds(
    lambda hard, reserved, soft: Limits(min(soft, hard), hard, reserved),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.2, 0.5, 0.9]),
    st.integers(1, 12),
)


class Admitting(RuleBasedStateMachine):
    """One domain whose limits change while jobs, workers and holders of leases come and go."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.redis: Driver = driver(self.url)
        self.client = Client(self.url)
        self.keys = DomainKeys(namespace_for("admitting"), "payment")
        self.callers = [Caller(self.client, self.keys, name) for name in ("producer", "gate")]
        self.now = Milliseconds(NOW)
        self.limits = Limits()
        self.draining = False
        self.load: Counter[str] = Counter()
        self.scheduled: list[tuple[int, str]] = []
        self.leases: dict[str, int] = {}
        self.tokens = 0
        self.paused: set[str] = set()
        self.counted: Counter[str] = Counter()
        self.held: list[commands.Entry] = []
        self.client.execute(commands.join(self.keys, "w1", ttl=LEASE))

    @initialize(limits=bounds)
    def begin(self, limits: Limits) -> None:
        self.change_limits(limits, draining=False)

    # -- the model

    def total(self) -> int:
        return self.load.total() + len(self.leases)

    def rest(self) -> int:
        high = sum(lease[0] == "h" for lease in self.leases)
        return self.total() - self.load["h"] - high

    def why_not(self, total: int, rest: int, letter: str) -> str | None:
        if self.draining:
            return "draining"
        if total >= (in_jobs(self.limits).hard or INFINITE):
            return "hard"
        if letter != "h" and rest >= (in_jobs(self.limits).share or INFINITE):
            return "reserve"
        return None

    # -- producers

    @rule(where=st.lists(places, min_size=1, max_size=8), partial=st.booleans(), waits=st.sampled_from([0, 0, 500]))
    def enqueue(self, where: list[str], partial: bool, waits: int) -> None:
        flat = [word for place in where for word in (place, sample())]
        command = commands.enqueue(self.keys, flat, partial=partial, waits_ms=waits, now=self.now)
        reply = self.callers[0].call(command)
        refused, soft = self.judged(where)
        self.callers[0].repeat()  # a lost reply changes neither the load nor a counter
        if not (self.limits.bounded or self.draining):
            assert Accepted(self.now) == reply
        elif refused and not partial:
            assert isinstance(reply, Refused)
            assert refused[min(refused)] == reply.reason
            self.counted.update(f"refused_{reply.reason}_{place[0]}" for place in where)
            return
        else:
            assert isinstance(reply, Accepted)
            assert tuple(refused.items()) == reply.refused
            self.counted.update(f"refused_{why}_{where[at][0]}" for at, why in refused.items())
            taken = [place for at, place in enumerate(where) if at not in refused]
            self.counted.update(f"admitted_{place[0]}" for place in taken)
            self.counted.update(f"soft_{where[at][0]}" for at in soft)
        for at, place in enumerate(where):
            if at not in refused and place[1:]:
                self.scheduled.append((self.now + 700, place[0]))
            elif at not in refused:
                self.load[place[0]] += 1
        if reply.gauge is not None:
            assert self.total() <= reply.gauge.load  # what ended within 100 ms may be in it still
            if isinstance(reply, Refused) or reply.gauge.load > (in_jobs(self.limits).soft or INFINITE):
                assert self.total() == reply.gauge.load
            came = {place[0] for at, place in enumerate(where) if at not in refused and not place[1:]}
            if came:
                assert reply.gauge.load <= (in_jobs(self.limits).hard or INFINITE)
            if came & {"n", "l"}:
                assert self.rest() <= (in_jobs(self.limits).share or INFINITE)

    def judged(self, where: list[str]) -> tuple[dict[int, str], list[int]]:
        """Which jobs are refused and why, and which are taken above the soft limit."""
        total, rest = before = self.total(), self.rest()
        refused: dict[int, str] = {}
        soft = []
        for at, place in enumerate(where):
            letter, later = place[0], bool(place[1:])
            why = self.why_not(*(before if later else (total, rest)), letter)
            if why:
                refused[at] = why
                continue
            if total >= (in_jobs(self.limits).soft or INFINITE):
                soft.append(at)
            if not later:
                total, rest = total + 1, rest + (letter != "h")
        return refused, soft

    # -- everybody else

    @rule(limits=st.one_of(bounds, st.just(Limits())), draining=st.sampled_from([False, False, True]))
    def change_limits(self, limits: Limits, draining: bool) -> None:
        self.limits, self.draining = limits, draining
        self.redis.hdel(self.keys.limits, "slack")
        if spelled(limits, draining=draining):
            self.redis.hset(self.keys.limits, "rule", spelled(limits, draining=draining))
        else:
            self.redis.hdel(self.keys.limits, "rule")

    @rule(letter=st.sampled_from("hnl"), ttl=st.sampled_from([300, 5_000]))
    def ask_for_a_lease(self, letter: str, ttl: int) -> None:
        self.tokens += 1
        why, over = (
            self.why_not(self.total(), self.rest(), letter),
            self.total() >= (in_jobs(self.limits).soft or INFINITE),
        )
        asked = commands.grant(self.keys, f"{letter}{self.tokens}", ttl_ms=ttl, now=self.now)
        reply = self.callers[1].call(asked)
        self.callers[1].repeat()
        if why:
            assert isinstance(reply, Refused)
            assert why == reply.reason
            self.counted[f"refused_{why}_{letter}"] += 1
            return
        assert Granted(self.now + ttl) == msgspec.structs.replace(reply, gauge=None)
        self.leases[f"{letter}{self.tokens}"] = self.now + ttl
        self.counted[f"granted_{letter}"] += 1
        self.counted[f"granted_soft_{letter}"] += over

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def give_a_lease_back(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(self.leases)))
        command = commands.give_back(self.keys, lease, over_ms=self.leases.pop(lease), now=self.now)
        assert "released" == self.client.execute(command)
        assert "released" != self.client.execute(command)
        self.counted[f"released_{lease[0]}"] += 1

    @rule(letters=st.sets(st.sampled_from("hnl"), min_size=1), verb=st.sampled_from(["pause", "resume"]))
    def pause_or_resume(self, letters: set[str], verb: Any) -> None:
        self.paused = self.paused | letters if verb == "pause" else self.paused - letters
        said = self.client.execute(commands.pause(self.keys, verb, "".join(sorted(letters))))
        assert self.paused == set(said)

    @rule(ms=st.sampled_from([1, 400, 800]))
    def time_passes(self, ms: int) -> None:
        self.now = Milliseconds(self.now + ms)
        self.leases = {lease: until for lease, until in self.leases.items() if until > self.now}
        due = [each for each in self.scheduled if each[0] <= self.now]
        self.scheduled = [each for each in self.scheduled if each[0] > self.now]
        self.client.execute(commands.promote(self.keys, now=self.now))
        self.load.update(letter for _, letter in due)

    @rule(count=st.integers(1, 12))
    def pull(self, count: int) -> None:
        reply = self.client.execute(commands.pull(self.keys, "w1", count, alone=not self.held))
        assert isinstance(reply, commands.Pulled)
        assert (set(), self.paused) == ({entry.priority for entry in reply.entries} & self.paused, set(reply.paused))
        self.held += reply.entries

    @precondition(lambda self: self.held)
    @rule(data=st.data(), verb=st.sampled_from(["ack", "retry", "release"]))
    def settle(self, data: st.DataObject, verb: str) -> None:
        mine = data.draw(st.lists(st.sampled_from(self.held), unique=True, min_size=1))
        ends: dict[str, Any] = {
            "ack": commands.ack,
            "release": commands.release,
            "retry": lambda entry: commands.retry(entry, where=f"{entry.priority}+700", job=entry.job),
        }
        self.client.execute(commands.settle(self.keys, [ends[verb](entry) for entry in mine], now=self.now))
        for entry in mine:
            self.held.remove(entry)
            self.load["n" if entry.source == SUSPECTS else entry.priority] -= verb != "release"
            if verb == "retry":
                self.scheduled.append((self.now + 700, entry.priority))

    @precondition(lambda self: self.held)
    @rule(started=st.booleans())
    def crash(self, started: bool) -> None:
        """Jobs that were running become suspects, which count as normal whatever their priority."""
        ran = [(entry.source, entry.id.decode()) for entry in self.held] if started else []
        recovered = commands.recover(
            self.keys, "w1", death="seen", failure=b"died", max_deliveries=1_000, keep_ms=0, started=ran
        )
        assert 0 == self.client.execute(recovered).buried
        self.client.execute(commands.join(self.keys, "w1", ttl=LEASE))
        self.held = []
        if started:
            high = sum(int(self.redis.xlen(stream)) for stream in (self.keys.ready[0], self.keys.returned[0]))
            jobs = self.load.total()
            self.load = Counter(h=high, n=jobs - high)

    def finish(self) -> None:
        """Whatever happened, the load comes back to 0 and nothing is left behind."""
        self.pause_or_resume(set("hnl"), "resume")
        self.time_passes(10_000)
        self.pull(100)
        while self.held:
            ended = commands.settle(self.keys, [commands.ack(entry) for entry in self.held], now=self.now)
            self.client.execute(ended)
            self.load.subtract("n" if entry.source == SUSPECTS else entry.priority for entry in self.held)
            self.held = []
            self.pull(100)
        self.the_books_balance()
        assert 0 == self.total()
        assert 0 == self.client.execute(commands.depths(self.keys, now=self.now)).load

    # -- what holds after every step

    @invariant()
    def the_books_balance(self) -> None:
        depths = self.client.execute(commands.depths(self.keys, now=self.now))
        counters = {name: count for name, count in depths.counters.items() if name.startswith(COUNTED)}
        assert +self.counted == counters
        assert self.total() == depths.load
        assert self.load.total() == sum(int(self.redis.xlen(stream)) for stream in self.keys.sources)
        assert len(self.scheduled) == depths.scheduled

    def teardown(self) -> None:
        try:
            self.finish()
            assert [] == leaks(self.redis, self.keys.namespace)
        finally:
            remove(self.redis, self.keys.namespace)
            self.redis.close()
            self.client.close()


def test_no_order_of_calls_overshoots_or_miscounts(redis_url: str) -> None:
    class Here(Admitting):
        url = redis_url

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )


@pytest.mark.parametrize("backend", ["server"], indirect=True)
def test_fifty_threads_fill_a_domain_to_its_limit_and_not_a_job_further(
    redis_url: str, redis: Driver, keys: DomainKeys
) -> None:
    """Normal jobs stop at their share, high ones at the hard limit: overshoot 0, and never stuck below."""
    redis.hset(keys.limits, "rule", spelled(Limits(100, 100, 0.2)))
    together = threading.Barrier(50)
    replies: list[Accepted | Refused | commands.Overtaken] = []

    def hammer(client: Client, place: str) -> None:
        together.wait()
        for _ in range(6):
            reply = client.execute(commands.enqueue(keys, [place, sample()]))
            replies.append(reply)
            assert redis.xlen(keys.ready[0]) + redis.xlen(keys.ready[1]) <= 100

    with Client(redis_url) as client:
        for place in "nh":
            threads = [threading.Thread(target=hammer, args=(client, place)) for _ in range(50)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert (80, 20) == (redis.xlen(keys.ready[1]), redis.xlen(keys.ready[0]))
    reasons = Counter(reply.reason for reply in replies if isinstance(reply, Refused))
    assert {"reserve": 220, "hard": 280} == reasons
    stats = {name.decode(): int(count) for name, count in redis.hgetall(keys.stats).items()}
    assert {
        "admitted_n": 80,
        "admitted_h": 20,
        "refused_reserve_n": 220,
        "refused_hard_h": 280,
    } == stats
