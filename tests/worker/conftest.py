"""A real server, and supervisors as processes of their own, with everything they start accounted for."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heijunka import commands, wire
from heijunka.broker.client import Client
from heijunka.commands import Depths
from heijunka.commands.enqueue import where
from heijunka.errors import RedisUnreachable
from heijunka.keys import Priority, domain_keys
from heijunka.worker.runtime import PLACE
from tests.fixtures import namespaces
from tests.fixtures.server import Server, driver
from tests.fixtures.waiting import wait_until
from tests.worker import stage
from tests.worker.company import Company, Hire
from tests.worker.stand_in import Plan

ROOT = Path(__file__).parents[2]
MARK = "HEIJUNKA_TEST_MARK"


class Host:
    """A machine with one supervisor on it, and one application."""

    def __init__(self, url: str, folder: Path, namespace: str) -> None:
        self.client, self.namespace, self._folder = Client(url), namespace, folder
        self.keys = domain_keys(namespace, "payment")
        self.plan = Plan(url=url, namespace=namespace, settings={"processes": 1, "grace": "5s"})
        self._said: list[dict[str, Any]] = []
        self._log = folder / "log"
        self._runtime = folder / "runtime"
        self.process: subprocess.Popen[bytes]

    def deploy(self, **changes: Any) -> None:
        """Change the application's code."""
        self.plan = msgspec.structs.replace(self.plan, **changes)
        (self._folder / "app.json").write_bytes(msgspec.json.encode(self.plan))

    def start(self, *, under: Sequence[str] = (), **options: Any) -> None:
        """Start the supervisor, by a command if one is given."""
        if not (self._folder / "app.json").exists():
            self.deploy()
        options = {"app_path": str(self._folder / "app.json"), **options}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*under, sys.executable, "-m", "tests.worker.stand_in", json.dumps(options)],
                cwd=ROOT,
                env=os.environ | {MARK: self.namespace, PLACE: str(self._runtime)},
                stderr=log,
                start_new_session=True,
            )

    def tell(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait until the supervisor has ended; returns its exit code."""
        return self.process.wait(30)

    def log(self) -> str:
        """What it logged."""
        return self._log.read_text()

    def enqueue(self, *tasks: str, priority: Priority = "normal", domain: str = "payment") -> None:
        """Enqueue a job of each task."""
        flat: list[str | bytes] = []
        for task in tasks:
            job = wire.Job(wire.FORMAT, wire.new_id(), task, wire.NOTHING)
            flat += where(priority), wire.encode_job(job)
        self.client.execute(commands.enqueue(domain_keys(self.namespace, domain), flat))

    def let_go(self, jobs: int = 1) -> None:
        """Let this many jobs that wait end."""
        self.client.plain("RPUSH", f"{self.namespace}:go", *["go"] * jobs)

    def hear(self, what: str, **like: Any) -> dict[str, Any]:
        """Wait until a worker says this; what others say meanwhile is kept for later."""
        found = None

        def said() -> bool:
            nonlocal found
            while word := self.client.plain("LPOP", f"{self.namespace}:said"):
                self._said.append(json.loads(word))
            matching = [word for word in self._said if {"what": what, **like}.items() <= word.items()]
            found = matching[0] if matching else None
            return found is not None

        try:
            wait_until(said)
        except AssertionError as error:
            raise AssertionError(f"nobody said {what} {like}\n{self._said}\n{self.log()}") from error
        assert found is not None
        self._said.remove(found)
        return found

    def hear_until(self, what: str, *, times: int, **like: Any) -> list[dict[str, Any]]:
        """Everything workers say, in order, until this was said so many times."""
        said: list[dict[str, Any]] = []
        while sum({"what": what, **like}.items() <= word.items() for word in said) < times:
            word = wait_until(lambda: self.client.plain("LPOP", f"{self.namespace}:said"))
            said.append(json.loads(word))
        return said

    def depths(self, domain: str = "payment") -> Depths:
        """What the domain holds."""
        return self.client.execute(commands.depths(domain_keys(self.namespace, domain)))

    def boards(self) -> list[Path]:
        """The directories in which supervisors that ran here keep their boards, as far as they are there."""
        names = re.findall(r"^INFO (\S+): loading", self.log(), re.MULTILINE)
        assert names
        return [self._runtime / name for name in dict.fromkeys(names) if (self._runtime / name).exists()]

    def processes(self) -> list[int]:
        """The living processes that this supervisor and its descendants are."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and f"{MARK}={self.namespace}\0".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        """End what is left, and forget everything."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if hasattr(self, "process"):
            self.process.wait(30)
        with contextlib.suppress(RedisUnreachable):
            self.client.plain("DEL", f"{self.namespace}:said", f"{self.namespace}:go")
        self.client.close()


@pytest.fixture
def own_server(fresh_server: Callable[..., Server]) -> Server:
    """A server that the test may end and freeze."""
    return fresh_server()


@pytest.fixture
def host(redis_url: str, tmp_path: Path, namespace: str) -> Iterator[Host]:
    host = Host(redis_url, tmp_path, namespace)
    yield host
    host.close()


@pytest.fixture
def company(redis_url: str, tmp_path: Path, namespace: str) -> Iterator[Company]:
    """Workers of the stage that are this test's alone, once they are started."""
    company = Company(stage.app, tmp_path, namespace, redis_url)
    stage.app.override({"redis_url": redis_url, "namespace": namespace}, "test")
    yield company
    stage.app.close()
    company.close()


@pytest.fixture(scope="module")
def hire(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hire]:
    """Workers of a domain with so many slots and such settings; the same ones for all tests of the module."""
    companies: dict[object, Company] = {}

    def hire(domain: str, slots: int, **settings: str) -> Company:
        terms = (domain, slots, *sorted(settings.items()))
        if terms not in companies:
            namespace = namespaces.namespace_for("company")
            company = Company(stage.app, tmp_path_factory.mktemp("stage"), namespace, redis_url)
            companies[terms] = company
            company.start(domain, slots, **settings)
        company = companies[terms]
        stage.app.override({"redis_url": redis_url, "namespace": company.namespace}, "test")
        return company

    yield hire
    stage.app.close()
    left = []
    for company in companies.values():
        company.close()
        with driver(redis_url) as looking:
            left += namespaces.leaks(looking, company.namespace)
            namespaces.remove(looking, company.namespace)
    assert [] == left
