"""The place where is measured: a private server, and worker processes that tell what they used."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis

from benchmarks.load import app
from heijunka import commands
from heijunka.commands import Depths
from heijunka.server import find_binary


class Site:
    """A server without persistence on a unix socket.

    Attributes:
        driver: redis-py, for what Heijunka is compared with.
        server: flavour and version.
    """

    def __init__(self, folder: Path) -> None:
        binary = find_binary(os.environ)
        self._folder, self._socket = folder, folder / "s"
        self.server = f"{binary.flavour} {binary.version}"
        self._process = subprocess.Popen(
            [binary.path, "--port", "0", "--unixsocket", self._socket, "--save", "", "--appendonly", "no"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        self.url = f"unix://{self._socket}"
        self.driver = redis.Redis(unix_socket_path=str(self._socket))
        for _ in range(500):
            with contextlib.suppress(redis.ConnectionError):
                if self.driver.ping():
                    break
            time.sleep(0.01)
        app.override({"redis_url": self.url, "namespace": "bench"}, "benchmarks")

    def clear(self) -> None:
        """Forget everything."""
        self.driver.flushall()

    def depths(self, domain: str) -> Depths:
        """How much a domain holds."""
        return app.connections.client.execute(commands.depths(app.keys(domain)))

    def cpu_s(self) -> float:
        """CPU seconds that the server has used."""
        used: dict[str, Any] = self.driver.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def worker(self, domain: str, slots: int, *, burst: bool = True) -> subprocess.Popen[str]:
        """Start one worker process; it ends when its domain is empty, and tells what it used."""
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.worker",
                domain,
                str(slots),
                str(self._folder / uuid4().hex),
                str(burst),
            ],
            env={**os.environ, "HEIJUNKA_REDIS_URL": self.url, "HEIJUNKA_NAMESPACE": "bench"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def drained(self, domain: str, slots: int) -> dict[str, float]:
        """Let one worker process empty a domain: seconds it took, CPU seconds it used, its peak memory in MiB."""
        said, _ = self.worker(domain, slots).communicate()
        told: dict[str, float] = json.loads(said)
        return told

    def close(self) -> None:
        """End the server."""
        app.close()
        self.driver.close()
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """A site, while it is needed."""
    with tempfile.TemporaryDirectory(prefix="hj-bench-", dir="/tmp") as folder:
        here = Site(Path(folder))
        try:
            yield here
        finally:
            here.close()


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep every core awake with a process that anything else takes precedence of.

    A round trip on an idle virtual machine is several times longer the deeper its cores sleep, which says
    nothing about what is measured.
    """
    code = "import os; os.nice(19)\nwhile True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
