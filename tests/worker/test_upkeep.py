"""A supervisor whose Redis is the embedded server: it keeps that server up, and ends it with itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from heijunka import Heijunka
from heijunka.server import EmbeddedServer
from heijunka.server.surroundings import PLATFORMS, STAGES
from tests.fixtures.waiting import wait_until

ROOT = Path(__file__).parents[2]

SHOP = """
from heijunka import Heijunka

app = Heijunka("alone")

@app.task(name="ping", keep_result="10m")
def ping() -> str:
    return "pong"
"""
RUN = """
import logging, sys
from heijunka.worker.supervisor import Supervisor

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
sys.exit(Supervisor("alone:app", processes=1).run())
"""


class Alone:
    """A machine without a Redis: a supervisor, and the embedded server that it started."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.server = EmbeddedServer(environ=environ)
        self._log = folder / "log"
        (folder / "alone.py").write_text(SHOP)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN],
                cwd=folder,
                env=environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: "serves" in self.log())
        url = self.server.status().url
        assert url is not None
        self._app = Heijunka("alone", redis_url=url)  # to this producer it is a configured server
        self._ping = self._app.task(name="ping", keep_result="10m")(_ping)

    def ping(self) -> str:
        """What a worker answers."""
        return self._ping.enqueue().result(timeout=20)

    def log(self) -> str:
        """What the supervisor and its workers said."""
        return self._log.read_text()

    def close(self) -> None:
        """End what is left."""
        self._app.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        self.server.stop(force=True)


def _ping() -> str:
    raise NotImplementedError


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    runtime = Path(tempfile.mkdtemp(prefix="hj-"))
    signs = {*STAGES, *PLATFORMS}
    environ = {
        **{name: os.environ[name] for name in os.environ if not name.startswith("HEIJUNKA_") and name not in signs},
        "HOME": str(tmp_path),
        "HEIJUNKA_STATE_DIR": str(tmp_path / "state"),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    alone = Alone(tmp_path, environ)
    yield alone
    alone.close()
    shutil.rmtree(runtime)


def test_workers_bring_a_killed_embedded_server_back_and_go_on(alone: Alone) -> None:
    assert "pong" == alone.ping()
    killed = alone.server.status().pid
    assert killed is not None

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: alone.server.status().pid not in {killed, None} and alone.server.status().state == "ready")
    assert "pong" == alone.ping()


def test_a_plain_stop_is_no_error_and_ends_the_embedded_server(alone: Alone) -> None:
    assert "pong" == alone.ping()

    alone.process.send_signal(signal.SIGTERM)

    assert (0, False) == (alone.process.wait(30), alone.server.status().running)
    assert [] == [line for line in alone.log().splitlines() if line.startswith(("ERROR", "WARNING"))]
