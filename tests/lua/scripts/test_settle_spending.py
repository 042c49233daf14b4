"""settle puts retries off by exactly what the policy says, whatever clocks and counters do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.keys import DomainKeys
from heijunka.policies.budget import DEEPEST_DEBT_MS, Credit, put_off_ms
from tests.fixtures.namespaces import namespace_for, remove
from tests.fixtures.samples import samples
from tests.fixtures.seed import NORMAL, Seed
from tests.fixtures.server import Driver, driver
from tests.fixtures.snapshot import snapshot
from tests.lua.scripts.outcomes import NOW

Batches = list[tuple[int, int, int]]
batches = st.lists(
    st.tuples(st.integers(-5_000, 60_000), st.integers(0, 9_000), st.integers(1, 60)), min_size=1, max_size=12
)
"""Time that passed since the last call, successes since, and retries of a call."""


def test_the_script_decides_as_the_policy_does(redis_url: str) -> None:
    with driver(redis_url) as redis, Client(redis_url) as client:

        @settings(max_examples=25)
        @given(batches=batches, first=st.sampled_from([None, 3_000, 0, -40_000, -DEEPEST_DEBT_MS]))
        def compare(batches: Batches, first: int | None) -> None:
            keys = DomainKeys(namespace_for("budget"), "payment")
            try:
                agrees(redis, client, keys, batches, first)
            finally:
                remove(redis, keys.namespace)

        compare()


def agrees(redis: Driver, client: Client, keys: DomainKeys, batches: Batches, first: int | None) -> None:
    """Charge both with the same, and compare what they say."""
    seed = Seed(redis, keys)
    seed.worker("w1")
    now, successes, credit = int(NOW), 0, None
    if first is not None:
        credit = Credit(first, now, 0)
        redis.set(keys.budget, f"{first} {now} 0", px=600_000)
    for elapsed, more, retries in batches:
        now, successes = now + elapsed, successes + more
        redis.hset(keys.stats, "ack", successes)
        credit, waits = put_off_ms(credit, now_ms=now, successes=successes, retries=retries)
        entries = seed.held("w1", NORMAL, *samples(retries))
        outcomes = [commands.retry(entry, where="n+1", job=entry.job) for entry in entries]
        client.execute(commands.settle(keys, outcomes, now=Milliseconds(now)))
        state = snapshot(redis, keys)
        assert sorted(now + 1 + wait for wait in waits) == [due for due, _, _ in state.scheduled]
        assert (credit.ms, credit.at_ms, credit.successes) == state.budget
        redis.delete(keys.scheduled)
