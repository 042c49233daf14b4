"""Eight processes want in at once and without pause: the load is never above its limit, and never stays below it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Self

import pytest

from heijunka import Heijunka, commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.keys import DomainKeys
from tests.fixtures.waiting import wait_until

HARD = 100
PROCESSES = 8


@pytest.fixture
def hammers(shop: Heijunka) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes; ends those that the test left."""
    environment = {"HEIJUNKA_REDIS_URL": shop.redis_url(), "HEIJUNKA_NAMESPACE": shop.namespace}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.app.hammer"],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


class Watcher:
    """Reads the load again and again, in one step each time, and keeps the highest."""

    def __init__(self, client: Client, keys: DomainKeys) -> None:
        self._client, self._keys = client, keys
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.most = self.most_but_high = self.looks = 0

    def _run(self) -> None:
        while not self._over.is_set():
            depths = self._client.execute(commands.depths(self._keys))
            high = depths.ready["high"] + depths.held["high"]
            self.most, self.most_but_high = max(self.most, depths.load), max(self.most_but_high, depths.load - high)
            self.looks += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.slow
def test_eight_processes_fill_a_domain_to_its_limit_again_and_again_and_not_a_job_further(
    shop: Heijunka, hammers: list[subprocess.Popen[str]], redis_url: str
) -> None:
    """As soon as jobs end others come; at the end all are accounted for."""
    shop.control.limits.set("payment", hard_limit=HARD, soft_limit=HARD, reserved=0.2)
    keys, ended = shop.keys("payment"), 0
    with Client(redis_url) as client, Client(redis_url) as looking, Watcher(looking, keys) as watcher:
        client.execute(commands.join(keys, "w1", ttl=Milliseconds(600_000)))
        for _ in range(20):
            wait_until(lambda: client.execute(commands.depths(keys)).load == HARD, 60)
            pulled = client.execute(commands.pull(keys, "w1", 37, alone=False))
            assert isinstance(pulled, commands.Pulled)
            client.execute(commands.settle(keys, [commands.ack(entry) for entry in pulled.entries]))
            ended += len(pulled.entries)
        wait_until(lambda: client.execute(commands.depths(keys)).load == HARD, 60)

        told = [list(map(int, hammer.communicate("")[0].split())) for hammer in hammers]

        left = client.execute(commands.depths(keys))
    accepted, refused, most = (list(column) for column in zip(*told, strict=True))
    assert (HARD, True, True) == (watcher.most, watcher.most_but_high <= 80, watcher.looks > 0)
    assert max(most) == HARD
    assert (sum(accepted), sum(accepted)) == (ended + left.load, left.counted("admitted_h", "admitted_n"))
    names = [f"refused_{why}_{letter}" for why in ("hard", "reserve") for letter in "hn"]
    assert sum(refused) == left.counted(*names)
