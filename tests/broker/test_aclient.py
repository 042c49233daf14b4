"""The asyncio client: whatever is cancelled, lost or forgotten, each caller gets its own reply."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from heijunka import Heijunka, commands
from heijunka.app import Task
from heijunka.broker import scripts
from heijunka.broker.aclient import AsyncClient
from heijunka.commands import Accepted
from heijunka.errors import RedisUnreachable, Unconfirmed
from heijunka.keys import DomainKeys
from tests.broker.test_client import added
from tests.fixtures.chaosproxy import chaos_proxy
from tests.fixtures.samples import sample
from tests.fixtures.server import Driver, Server
from tests.fixtures.waiting import wait_until

Fresh = Callable[..., Server]


async def accept(client: AsyncClient, keys: DomainKeys, job: bytes) -> Accepted | commands.Refused | commands.Overtaken:
    return await client.execute(commands.enqueue(keys, ["n", job]))


def shop(url: str, namespace: str) -> tuple[Heijunka, Task[[int], None]]:
    app = Heijunka("shop", redis_url=url, namespace=namespace)

    @app.task(domain="payment")
    def charge(order: int) -> None: ...

    return app, charge


# -- lost replies -----------------------------------------------------------------------------------


def test_ten_thousand_jobs_of_many_callers_are_accepted_once_though_replies_get_lost(
    fresh_server: Fresh, keys: DomainKeys
) -> None:
    server, chance, enqueue = fresh_server(), random.Random(4), scripts.load("enqueue").sha.encode()

    async def caller(charge: Task[[int], None], lose: Callable[[], None]) -> None:
        for order in range(100):
            if chance.random() < 0.01:
                lose()
            await charge.aenqueue(order)

    with chaos_proxy(server.socket) as proxy:
        app, charge = shop(proxy.url, keys.namespace)

        async def story() -> None:
            async with app:
                await asyncio.gather(*(caller(charge, lambda: proxy.lose(1, only=enqueue)) for _ in range(100)))

        asyncio.run(story())

    assert proxy.lost > 10
    with server.driver() as driver:
        assert (10_000, 10_000) == added(driver, keys)


# -- cancelled calls --------------------------------------------------------------------------------


async def cancelled_somewhere(call: Callable[[], Coroutine[Any, Any, object]], steps: int) -> None:
    """Begin a call and cancel it when the loop has gone round `steps` times."""
    task = asyncio.ensure_future(call())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_after_a_call_cancelled_at_any_await_the_next_reply_belongs_to_the_next_command(
    redis_url: str, redis: Driver, keys: DomainKeys
) -> None:
    chance, client = random.Random(5), AsyncClient(redis_url)

    async def story() -> None:
        for number in range(1_000):
            if number % 3 == 0:
                await client.close()  # so that connecting is cancelled, too
            if number % 2:
                await cancelled_somewhere(lambda: client.plain("ECHO", "cancelled"), chance.randrange(12))
            else:
                await cancelled_somewhere(lambda: accept(client, keys, sample()), chance.randrange(12))

            assert f"asked {number}".encode() == await client.plain("ECHO", f"asked {number}")
            assert isinstance(await accept(client, keys, sample()), Accepted)
        await client.close()

    asyncio.run(story())

    entries, unique = added(redis, keys)
    assert entries == unique
    assert entries >= 1_000


def test_cancelled_enqueues_are_accepted_once_or_not_at_all_and_cost_the_others_nothing(
    redis_url: str, redis: Driver, namespace: str, keys: DomainKeys
) -> None:
    chance = random.Random(6)
    app, charge = shop(redis_url, namespace)

    async def story() -> list[str]:
        async with app:
            kept = []
            for order in range(300):
                others = [asyncio.ensure_future(charge.aenqueue(order)) for _ in range(3)]
                await cancelled_somewhere(partial(charge.aenqueue, order), chance.randrange(8))
                kept += [(await job).id for job in others]
            return kept

    kept = asyncio.run(story())

    assert 900 == len(set(kept))
    entries, unique = added(redis, keys)
    assert entries == unique
    assert 900 <= entries <= 1_200


def test_when_every_task_is_cancelled_nobody_waits_for_ever(redis_url: str, namespace: str) -> None:
    app, charge = shop(redis_url, namespace)

    async def story() -> list[object]:
        async with app:
            await charge.aenqueue(0)
            waiting = [asyncio.shield(asyncio.ensure_future(charge.aenqueue(order))) for order in range(5)]
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                if task.get_name() == "heijunka-enqueue":
                    task.cancel()
            ended = await asyncio.gather(*waiting, return_exceptions=True)
            await charge.aenqueue(6)
            return list(ended)

    ended = asyncio.run(story())

    assert 5 == len(ended)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended)


# -- event loops ------------------------------------------------------------------------------------


LOOPS = """
import asyncio, sys
from heijunka.broker.aclient import AsyncClient

client = AsyncClient(sys.argv[1])
for _ in range(20):
    asyncio.run(client.plain("PING"))
kept = len(client._idle)
asyncio.run(client.close())
print(kept)
"""


def test_connections_of_loops_that_ended_are_not_kept(redis_url: str) -> None:
    """In a process of its own, because such connections complain whenever they are collected."""
    told = subprocess.run([sys.executable, "-c", LOOPS, redis_url], capture_output=True, text=True, check=True)

    assert "1\n" == told.stdout


def test_loops_in_threads_use_connections_of_their_own(redis_url: str, redis: Driver, keys: DomainKeys) -> None:
    client = AsyncClient(redis_url)

    async def calls() -> set[int]:
        ids = {await client.plain("CLIENT", "ID") for _ in range(20)}
        await asyncio.gather(*(accept(client, keys, sample()) for _ in range(20)))
        await client.close()
        return ids

    async def story() -> list[set[int]]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, calls()) for _ in range(4)))

    ids = asyncio.run(story())

    assert [1] * 4 == [len(each) for each in ids]
    assert 4 == len(set.union(*ids))
    assert (80, 80) == added(redis, keys)


# -- Redis away -------------------------------------------------------------------------------------


def test_a_frozen_redis_is_an_unconfirmed_call_within_the_time_and_the_next_call_is_well(
    fresh_server: Fresh, keys: DomainKeys
) -> None:
    server = fresh_server()

    async def story() -> None:
        client = AsyncClient(server.url, timeout_s=0.2)
        await accept(client, keys, sample())
        server.freeze()
        with pytest.raises(Unconfirmed):
            await accept(client, keys, sample())
        server.thaw()
        assert isinstance(await accept(client, keys, sample()), Accepted)
        await client.close()

    asyncio.run(story())

    with server.driver() as driver:
        wait_until(lambda: added(driver, keys) == (3, 3))


def test_emptied_script_caches_and_cut_connections_are_nobodys_business(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()

    async def story() -> None:
        client = AsyncClient(server.url)
        with server.driver() as driver:
            for number in range(200):
                await accept(client, keys, sample())
                if number % 5 == 0:
                    driver.script_flush()
                if number % 7 == 0:
                    driver.client_kill_filter(_type="normal", skipme=True)
        await client.close()

    asyncio.run(story())

    with server.driver() as driver:
        assert (200, 200) == added(driver, keys)


def test_nobody_there_is_told_within_the_time() -> None:
    async def story() -> None:
        client = AsyncClient("redis://:secret@127.0.0.1:1/0", timeout_s=0.05)
        with pytest.raises(RedisUnreachable, match=r"redis://:\*\*\*@127\.0\.0\.1:1/0"):
            await client.plain("PING")

    asyncio.run(story())
