"""The shop on a real server, and worker processes that run its jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from heijunka import Heijunka, commands
from heijunka.commands import Depths
from tests.app import shop as the_shop

Run = Callable[..., int]


@pytest.fixture
def shop(redis_url: str, namespace: str) -> Iterator[Heijunka]:
    """The shop in a namespace of its own."""
    app = the_shop.app
    app.override({"redis_url": redis_url, "namespace": namespace}, "test")
    yield app
    app.close()


@pytest.fixture
def start(shop: Heijunka, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts worker processes; ends those that the test left."""
    started: list[subprocess.Popen[str]] = []

    def start(domain: str = "payment", slots: int = 1, kind: str = "burst", **settings: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.burst", domain, str(slots), str(tmp_path / uuid4().hex), kind],
            env={
                **os.environ,
                "HEIJUNKA_REDIS_URL": shop.redis_url(),
                "HEIJUNKA_NAMESPACE": shop.namespace,
                **settings,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Run:
    """Runs a worker until its domain is empty; its exit code."""

    def run(domain: str = "payment", slots: int = 1, **settings: str) -> int:
        process = start(domain, slots, **settings)
        _, complaints = process.communicate(timeout=30)
        assert "Traceback" not in complaints, complaints
        return process.returncode

    return run


@pytest.fixture
def depths(shop: Heijunka) -> Callable[[str], Depths]:
    """Reads how much a domain holds."""
    return lambda domain: shop.connections.client.execute(commands.depths(shop.keys(domain)))
