"""Real workers of the stage, each set of them under one supervisor and shared by a module's tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from heijunka import Heijunka, commands
from heijunka.commands import Depths
from tests.fixtures.waiting import wait_until

PATIENCE_S = 60
ROOT = Path(__file__).resolve().parents[2]


class Company:
    """Worker processes in a namespace of their own.

    Parameters:
        app: the stage.
        folder: where its tasks say what happens.
        namespace: of these workers.
        url: of their Redis.
    """

    def __init__(self, app: Heijunka, folder: Path, namespace: str, url: str) -> None:
        self.app, self.folder, self.namespace, self.url = app, folder, namespace, url
        self._started: list[subprocess.Popen[bytes]] = []
        self._names = 0

    def start(self, domain: str, slots: int, *flags: str, **settings: str) -> None:
        """Start one worker process of a domain, or as the flags say, with a supervisor."""
        words = ["worker", "tests.worker.stage:app", "-d", domain, "-n", "1", "--slots", str(slots), *flags]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "heijunka_cli", *words],
                env={
                    **os.environ,
                    "HEIJUNKA_REDIS_URL": self.url,
                    "HEIJUNKA_NAMESPACE": self.namespace,
                    "HEIJUNKA_CANCEL_GRACE": "10m",
                    "STAGE": str(self.folder),
                    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "cli"))),
                    **settings,
                },
                stderr=log,
                start_new_session=True,
            )
        self._started.append(self.process)

    def log(self) -> str:
        """What the supervisors and workers logged."""
        return (self.folder / "log").read_text()

    def told(self) -> int:
        """How many jobs workers were told of in all."""
        lines = [line for line in self.log().splitlines() if "told that it holds" in line]
        return sum(int(line.partition("it holds ")[2].split()[0]) for line in lines)

    def name(self) -> str:
        """A name for a job that no other has."""
        self._names += 1
        return f"job-{self._names}"

    def text(self, what: str) -> str:
        """What was written there."""
        return (self.folder / what).read_text()

    def hear(self, what: str) -> int:
        """Wait until this was said; how often it was by now."""
        wait_until((self.folder / what).exists, PATIENCE_S)
        return len(self.text(what))

    def says(self, what: str) -> bool:
        """Whether this was said."""
        return (self.folder / what).exists()

    def let(self, name: str) -> None:
        """Let an `unasked` go on."""
        (self.folder / f"{name}-go").touch()

    def depths(self, domain: str) -> Depths:
        """What a domain holds."""
        return self.app.connections.client.execute(commands.depths(self.app.keys(domain)))

    def close(self) -> None:
        """End what is left."""
        for process in self._started:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE_S)


Hire = Callable[..., Company]
