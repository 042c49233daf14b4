"""The place where is measured: a private server, and worker processes that tell what they used."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
        url: where it is.
        folder: a temporary directory of its own.
    """

    def __init__(self, folder: Path) -> None:
        binary = find_binary(os.environ)
        self.folder = folder
        self.server = f"{binary.flavour} {binary.version}"
        socket = folder / "s"
        self._process = subprocess.Popen(
            [binary.path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        self.url = f"unix://{socket}"
        self.driver = redis.Redis(unix_socket_path=str(socket))
        for _ in range(500):
            with contextlib.suppress(redis.ConnectionError):
                if self.driver.ping():
                    break
            time.sleep(0.01)
        app.override({"redis_url": self.url, "namespace": "bench"}, "benchmarks")

    def clear(self) -> None:
        """Forget everything, now: a server that frees memory behind our back would be measured doing so."""
        self.driver.execute_command("FLUSHALL", "SYNC")  # type: ignore[no-untyped-call]

    def depths(self, domain: str) -> Depths:
        """How much a domain holds."""
        return app.connections.client.execute(commands.depths(app.keys(domain)))

    def cpu_s(self) -> float:
        """CPU seconds that the server has used."""
        used: dict[str, Any] = self.driver.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def used_memory(self) -> int:
        """Bytes that the server's data takes."""
        return int(self.driver.info("memory")["used_memory"])

    def ping_rate(self, calls: int = 2_000) -> float:
        """PINGs/s of redis-py."""
        return rate(self.driver.ping, calls)

    def python(self, *arguments: str, **how: Any) -> subprocess.Popen[str]:
        """Start a Python process that knows where the server is."""
        environment = {**os.environ, "HEIJUNKA_REDIS_URL": self.url, "HEIJUNKA_NAMESPACE": app.namespace}
        return subprocess.Popen([sys.executable, *arguments], env=environment, text=True, **how)

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


def rate(call: Callable[[], object], calls: int) -> float:
    """Calls/s, one after the other."""
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return calls / (time.perf_counter() - began)


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep every core awake with a process that anything else takes precedence of.

    Waking a core of a virtual machine from deep sleep takes longer than the answer that it is woken for,
    which says nothing about what is measured. Not for what two processes work on in turn: cores that
    share their inside with a busy one are slower.
    """
    code = "import os; os.nice(19)\nwhile True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
