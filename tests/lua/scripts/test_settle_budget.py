"""settle: retries beyond a domain's budget are put off, by exactly what the policy says."""

from __future__ import annotations

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Entry, Settled
from heijunka.keys import DomainKeys
from heijunka.policies.budget import DEEPEST_DEBT_MS
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import samples
from tests.fixtures.seed import NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot
from tests.lua.scripts.numbered import copy_of
from tests.lua.scripts.outcomes import NOW, settle, take_away

pytestmark = needs_server


def in_debt(redis: Driver, keys: DomainKeys, ms: int = 0) -> None:
    """Let a domain have no credit left."""
    redis.set(keys.budget, f"{-ms} {NOW} 0", px=600_000)


def dues(redis: Driver, keys: DomainKeys) -> list[int]:
    """How much later than now each scheduled job is due."""
    return [due - NOW for due, _, _ in snapshot(redis, keys).scheduled]


def holding(seed: Seed, jobs: int) -> list[Entry]:
    seed.worker("w1")
    return seed.held("w1", NORMAL, *samples(jobs))


def test_a_retry_without_credit_waits_as_long_as_the_debt_is_deep_and_is_counted(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entries = holding(seed, 3)
    in_debt(redis, keys, 500)

    settle(
        client,
        keys,
        commands.retry(entries[0], where="n", job=entries[0].job),
        commands.retry(entries[1], where="n+1000", job=entries[1].job),
        commands.retry(entries[2], where="n+50", job=entries[2].job),
    )

    assert [600, 850, 1_700] == dues(redis, keys)
    state = snapshot(redis, keys)
    assert ({"retry": 3, "retry_delayed": 3}, (-800, NOW, 0)) == (state.stats, state.budget)
    assert 0 < redis.pttl(keys.budget) <= 50_000 + 800 + 60_000


def test_a_job_with_a_moment_of_its_own_pays_and_is_not_put_off(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """It has a deadline, and the budget must not be what makes it miss that."""
    [entry] = holding(seed, 1)
    in_debt(redis, keys)

    settle(client, keys, commands.retry(entry, where=f"n@{NOW + 70}", job=entry.job))

    state = snapshot(redis, keys)
    assert ([70], {"retry": 1}, (-100, NOW, 0)) == (dues(redis, keys), state.stats, state.budget)


def test_what_is_no_retry_costs_nothing_and_is_not_put_off(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    entries = holding(seed, 3)
    in_debt(redis, keys, 500)

    settle(
        client,
        keys,
        commands.snooze(entries[0], where="n+9", job=entries[0].job),
        commands.ack(entries[1]),
        commands.release(entries[2]),
    )

    assert ([9], (-500, NOW, 0)) == (dues(redis, keys), snapshot(redis, keys).budget)


def test_a_retry_that_is_refused_or_repeated_costs_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    lost, mine = holding(seed, 2)
    take_away(redis, keys, lost)
    outcomes = [commands.retry(each, where="n", job=each.job) for each in (lost, mine)]
    call = copy_of(commands.settle(keys, outcomes, now=NOW), keys, number=3)

    assert [Settled((0,), replayed=False), Settled((0,), replayed=True)] == [client.execute(call), client.execute(call)]
    assert (49_900, NOW, 0) == snapshot(redis, keys).budget


def test_successes_and_time_pay_a_debt_back(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    [entry] = holding(seed, 1)
    in_debt(redis, keys, 2_000)
    redis.hset(keys.stats, mapping={"ack": 70, "done": 50})
    retry = commands.retry(entry, where="n", job=entry.job)

    client.execute(commands.settle(keys, [retry], now=Milliseconds(NOW + 700)))

    assert (2_000 - 700 - 1_200 + 100) == -snapshot(redis, keys).budget[0] == dues(redis, keys)[0] - 700


def test_a_job_is_put_off_by_an_hour_at_most(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    [entry] = holding(seed, 1)
    in_debt(redis, keys, DEEPEST_DEBT_MS)

    settle(client, keys, commands.retry(entry, where="n", job=entry.job))

    assert [DEEPEST_DEBT_MS] == dues(redis, keys)


def test_what_somebody_else_wrote_there_keeps_no_job_from_its_retry(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    [entry] = holding(seed, 1)
    redis.set(keys.budget, "a lot", px=60_000)

    settle(client, keys, commands.retry(entry, where="n", job=entry.job))

    assert ({"retry": 1}, (49_900, NOW, 0)) == (snapshot(redis, keys).stats, snapshot(redis, keys).budget)
