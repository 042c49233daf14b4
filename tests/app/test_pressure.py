"""Who produces can know how full a domain is, and slow down before it is full."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heijunka import Heijunka
from heijunka.errors import InvalidName, InvalidOption, Overloaded
from heijunka.keys import DomainKeys
from heijunka.policies.admission import Limits, spelled
from heijunka.policies.slowing import pause_s
from tests.app.shop import send, whoami
from tests.fixtures.server import Driver


@pytest.fixture
def payment(shop: Heijunka) -> DomainKeys:
    return shop.keys("payment")


def limit(redis: Driver, keys: DomainKeys, hard: int | None, *, soft: int | None = None, reserved: float = 0.0) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(soft, hard, reserved)))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long calls paused, instead of pausing."""
    found: list[float] = []

    async def asleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("heijunka.app.pressing.sleep", found.append)
    monkeypatch.setattr("heijunka.app.pressing.asleep", asleep)
    return found


def rounded(pauses: list[float]) -> list[float]:
    return [round(seconds, 6) for seconds in pauses]


# -- pressure ---------------------------------------------------------------------------------------


def test_pressure_is_load_over_soft_limit(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 20, soft=4)
    whoami.enqueue_many([()] * 5)
    shop.request_admission("payment")

    assert 1.5 == shop.pressure("payment")


@pytest.mark.parametrize(("soft", "hard"), [(None, None), (None, 3)])
def test_without_a_soft_limit_there_is_none(
    shop: Heijunka, redis: Driver, payment: DomainKeys, soft: int | None, hard: int | None
) -> None:
    if hard:
        limit(redis, payment, hard, soft=soft)
    whoami.enqueue()

    assert 0.0 == shop.pressure("payment")


def test_what_was_read_is_believed_for_a_tenth_of_a_second(
    shop: Heijunka, redis: Driver, payment: DomainKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("heijunka.app.pressing.monotonic", lambda: now)
    limit(redis, payment, 20, soft=4)
    assert 0.0 == shop.pressure("payment")
    whoami.enqueue()

    now += 0.09
    assert 0.0 == shop.pressure("payment")
    now += 0.02
    assert 0.25 == shop.pressure("payment")


def weighed(redis: Driver) -> int:
    return int(redis.info("commandstats")["cmdstat_evalsha"]["calls"])


def test_coroutines_that_ask_together_share_the_answer(shop: Heijunka, redis: Driver) -> None:
    mail = shop.keys("mail")
    limit(redis, mail, 20, soft=4)

    async def story() -> tuple[list[float], int]:
        async with shop:
            await send.aenqueue("ada")
            before = weighed(redis)
            return await asyncio.gather(*(shop.apressure("mail") for _ in range(50))), weighed(redis) - before

    told, asked = asyncio.run(story())

    assert [0.25] * 50 == told
    assert asked < 50


def test_one_that_is_cancelled_while_it_asks_leaves_the_others_their_answer(shop: Heijunka) -> None:
    async def story() -> list[Any]:
        async with shop:
            asking = [asyncio.create_task(shop.apressure("mail")) for _ in range(3)]
            await asyncio.sleep(0)
            asking[0].cancel()
            return await asyncio.gather(*asking, return_exceptions=True)

    first, *others = asyncio.run(story())

    assert isinstance(first, asyncio.CancelledError)
    assert [0.0, 0.0] == others


def test_no_domain_has_such_a_name(shop: Heijunka) -> None:
    with pytest.raises(InvalidName):
        shop.pressure("no spaces")


# -- pace -------------------------------------------------------------------------------------------


def test_a_paced_call_pauses_from_the_soft_limit_on_by_the_curve(
    shop: Heijunka, redis: Driver, payment: DomainKeys, pauses: list[float]
) -> None:
    """What each is told of the load sets the pause of the next: no call asks but the first."""
    limit(redis, payment, 8, soft=4)
    call = whoami.options(pace=True)

    for _ in range(8):
        call.enqueue()

    assert rounded([pause_s(load=load, begin=4, end=8) for load in (5, 6, 7)]) == rounded(pauses)
    with pytest.raises(Overloaded):
        call.enqueue()
    assert 1.0 == pauses[-1]


def test_a_paced_coroutine_pauses_likewise(shop: Heijunka, redis: Driver, pauses: list[float]) -> None:
    limit(redis, shop.keys("mail"), 8, soft=4)

    async def story() -> None:
        async with shop:
            for _ in range(8):
                await send.options(pace=True).aenqueue("ada")
            with pytest.raises(Overloaded):
                await send.options(pace=True).aenqueue("ada")

    asyncio.run(story())

    assert rounded([pause_s(load=load, begin=4, end=8) for load in (5, 6, 7, 8)]) == rounded(pauses)


def test_normal_jobs_slow_down_before_they_meet_the_reserve_and_high_ones_at_the_soft_limit(
    shop: Heijunka, redis: Driver, payment: DomainKeys, pauses: list[float]
) -> None:
    limit(redis, payment, 20, soft=16, reserved=0.5)
    whoami.enqueue_many([()] * 9)

    whoami.options(pace=True).enqueue()
    assert rounded([pause_s(load=9, begin=8, end=10)]) == rounded(pauses)
    whoami.options(pace=True, priority="high").enqueue()
    assert 1 == len(pauses)


def test_each_thousand_of_many_pauses(shop: Heijunka, redis: Driver, payment: DomainKeys, pauses: list[float]) -> None:
    limit(redis, payment, 4_000, soft=2_000)

    whoami.options(pace=True).enqueue_many([()] * 4_000)

    assert [0.25] == pauses

    async def story() -> None:
        async with shop:
            await send.options(pace=True).aenqueue_many([("ada",)] * 4_000)

    limit(redis, shop.keys("mail"), 4_000, soft=2_000)
    asyncio.run(story())
    assert [0.25, 0.25] == pauses


def test_who_does_not_ask_for_it_does_not_pause(
    shop: Heijunka, redis: Driver, payment: DomainKeys, pauses: list[float]
) -> None:
    limit(redis, payment, 8, soft=1)

    for _ in range(8):
        whoami.enqueue()

    assert [] == pauses


def test_a_task_may_be_paced_and_a_call_of_it_not(
    redis_url: str, namespace: str, redis: Driver, pauses: list[float]
) -> None:
    with Heijunka("paced", redis_url=redis_url, namespace=namespace) as app:

        @app.task(domain="payment", pace=True)
        def charge() -> None: ...

        limit(redis, app.keys("payment"), 10, soft=1)
        for _ in range(3):
            charge.enqueue()
        assert 1 == len(pauses)
        charge.options(pace=False).enqueue()
        assert 1 == len(pauses)


def test_where_nothing_bounds_a_domain_nobody_pauses(shop: Heijunka, pauses: list[float]) -> None:
    for _ in range(3):
        whoami.options(pace=True).enqueue()

    assert [] == pauses


def test_it_really_pauses(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 100, soft=1)

    jobs = [whoami.options(pace=True).enqueue() for _ in range(8)]

    assert ["ok"] + ["soft"] * 7 == [job.admission.state for job in jobs]


def test_bad_options_are_refused_where_they_are_written(shop: Heijunka) -> None:
    with pytest.raises(InvalidOption, match="neither True nor False"):
        whoami.options(pace="often")  # type: ignore[arg-type]
