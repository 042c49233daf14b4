"""Calls that were done although their reply was lost: every job runs once, every enqueue counts once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heijunka import Heijunka, commands
from heijunka.app import Task
from heijunka.broker import scripts
from heijunka.commands import Depths
from tests.fixtures.chaosproxy import ChaosProxy, chaos_proxy
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until
from tests.worker.hands import Hands


@pytest.fixture
def proxy(fresh_server: Callable[..., Server]) -> Iterator[ChaosProxy]:
    with chaos_proxy(fresh_server().socket) as proxy:
        yield proxy


@pytest.fixture
def app(proxy: ChaosProxy) -> Iterator[Heijunka]:
    app = Heijunka("shop", redis_url=proxy.url)
    yield app
    app.close()


@pytest.fixture
def charge(app: Heijunka) -> Task[[int], None]:
    @app.task(domain="payment", keep_result=None)
    def charge(order: int) -> None: ...

    return charge


def depths(app: Heijunka) -> Depths:
    return app.connections.client.execute(commands.depths(app.keys("payment")))


def sha(script: str) -> bytes:
    return scripts.load(script).sha.encode()


def test_an_enqueue_whose_reply_was_lost_counts_once(
    app: Heijunka, charge: Task[[int], None], proxy: ChaosProxy
) -> None:
    chance = random.Random(7)
    for order in range(500):
        if chance.random() < 0.1:
            proxy.lose(1, only=sha("enqueue"))
        charge.enqueue(order)

    assert (500, 500) == (depths(app).load, depths(app).counters["enqueued"])
    assert proxy.lost > 20


def test_async_callers_whose_replies_were_lost_count_once(
    app: Heijunka, charge: Task[[int], None], proxy: ChaosProxy
) -> None:
    async def caller(number: int) -> None:
        for order in range(20):
            if order % 5 == number % 5:
                proxy.lose(1, only=sha("enqueue"))
            await charge.aenqueue(order)

    async def story() -> None:
        await asyncio.gather(*(caller(number) for number in range(10)))
        await app.connections.aclient.close()

    asyncio.run(story())

    assert (200, 200) == (depths(app).load, depths(app).counters["enqueued"])
    assert proxy.lost > 0


def test_jobs_of_a_pull_whose_reply_was_lost_run_once(
    app: Heijunka, charge: Task[[int], None], proxy: ChaosProxy, tmp_path: Path
) -> None:
    charge.enqueue_many([(order,) for order in range(200)])
    hands = Hands(proxy.url, app.keys("payment"), tmp_path)

    def finished() -> bool:
        before = len(hands.done)
        hands.finish()
        if before != len(hands.done):
            proxy.lose(1, only=sha("pull"))
        return len(hands.done) >= 200

    wait_until(finished)
    assert hands.leave()

    assert (200, 200) == (len(hands.done), len(set(hands.done)))
    assert (0, 0, 200) == (depths(app).load, hands.settler.fenced, depths(app).counters["ack"])
    assert proxy.lost > 0


def test_a_settle_whose_reply_was_lost_counts_once_and_fences_nothing(
    app: Heijunka, charge: Task[[int], None], proxy: ChaosProxy, tmp_path: Path
) -> None:
    charge.enqueue_many([(order,) for order in range(100)])
    hands = Hands(proxy.url, app.keys("payment"), tmp_path)

    def finished() -> bool:
        proxy.lose(1, only=sha("settle"))
        hands.finish()
        return len(hands.done) >= 100

    wait_until(finished)
    assert hands.leave()

    assert (0, 0, 100) == (depths(app).load, hands.settler.fenced, depths(app).counters["ack"])
    assert proxy.lost > 0


def test_what_was_not_started_goes_back_when_the_worker_stops(
    app: Heijunka, charge: Task[[int], None], proxy: ChaosProxy, tmp_path: Path
) -> None:
    charge.enqueue_many([(order,) for order in range(50)])
    hands = Hands(proxy.url, app.keys("payment"), tmp_path)
    wait_until(lambda: len(hands.inbox) == 20)

    assert hands.leave()

    left = depths(app)
    assert (50, 0, {"enqueued": 50, "release": 20}) == (left.ready["normal"], left.running, left.counters)


def test_a_worker_that_lost_its_lease_drops_what_it_holds_and_goes_on(
    app: Heijunka, charge: Task[[int], None], proxy: ChaosProxy, tmp_path: Path
) -> None:
    charge.enqueue_many([(order,) for order in range(20)])
    hands = Hands(proxy.url, app.keys("payment"), tmp_path)
    wait_until(lambda: len(hands.inbox) == 20)
    first = hands.inbox.next()
    assert first is not None

    app.connections.client.execute(
        commands.recover(app.keys("payment"), "w1", death="seen", failure=b"", max_deliveries=3, keep_ms=0)
    )
    hands.settler.put(first, commands.ack(first))

    def finished() -> bool:
        hands.finish()
        return depths(app).load == 0

    wait_until(finished)
    assert hands.leave()
    assert depths(app).counters["ack"] == 20
    assert hands.settler.fenced >= 1
