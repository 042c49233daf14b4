"""Real processes over a real server: the shop, and whoever works in it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from heijunka import Heijunka, commands
from heijunka.commands import Depths
from tests.acceptance import shop as story
from tests.fixtures.waiting import wait_until

PATIENCE_S = 60
ROOT = Path(__file__).resolve().parents[2]


class Shop:
    """The application, and the processes that a test starts for it."""

    def __init__(self, folder: Path, namespace: str, url: str) -> None:
        self.app: Heijunka = story.app
        self.folder, self.namespace, self.url = folder, namespace, url
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, command: str, *words: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a `heijunka` command for the shop."""
        environment = {
            **os.environ,
            "HEIJUNKA_REDIS_URL": self.url,
            "HEIJUNKA_NAMESPACE": self.namespace,
            "HEIJUNKA_APP": "tests.acceptance.shop:app",
            story.FOLDER: str(self.folder),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "cli"))),
            **settings,
        }
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "heijunka_cli", command, *words], env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._started.append(process)
        return process

    def says(self, command: str, *words: str) -> str:
        """What a command prints."""
        process = subprocess.run(
            [sys.executable, "-m", "heijunka_cli", command, *words],
            env={
                **os.environ,
                "HEIJUNKA_REDIS_URL": self.url,
                "HEIJUNKA_NAMESPACE": self.namespace,
                "HEIJUNKA_APP": "tests.acceptance.shop:app",
                "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "cli"))),
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        return process.stdout

    def noted(self, where: str) -> list[str]:
        """What tasks wrote there."""
        return story.noted(self.folder, where)

    def let_go(self) -> None:
        """Let what is held go on."""
        (self.folder / "go").touch()

    def mend(self) -> None:
        """Let the bank work."""
        (self.folder / "mended").touch()

    def depths(self, domain: str = "orders") -> Depths:
        """What a domain holds."""
        return self.app.connections.client.execute(commands.depths(self.app.keys(domain)))

    def is_idle(self, domain: str = "orders") -> bool:
        """Whether a domain has nothing left to do."""
        depths = self.depths(domain)
        return depths.load == 0 and depths.scheduled == 0

    def log(self) -> str:
        """What processes logged."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """End what is left."""
        for process in self._started:
            process.send_signal(signal.SIGTERM)
        for process in self._started:
            try:
                process.wait(PATIENCE_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE_S)


@pytest.fixture
def shop(redis_url: str, tmp_path: Path, namespace: str) -> Iterator[Shop]:
    shop = Shop(tmp_path, namespace, redis_url)
    shop.app.override({"redis_url": redis_url, "namespace": namespace}, "test")
    yield shop
    shop.let_go()
    shop.close()
    shop.app.close()


def patiently(condition: object) -> None:
    """Wait until it holds."""
    wait_until(condition, PATIENCE_S)  # type: ignore[arg-type]
