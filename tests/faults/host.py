"""A machine with one supervisor on it: `heijunka worker`, started as its users start it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.faults import processes
from tests.faults.shop import LEDGER

ROOT = Path(__file__).parents[2]
GRACE = "3s"


def in_environment(further: Mapping[str, str]) -> dict[str, str]:
    """An environment without settings of Heijunka's, in which this project can be imported, and more."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEIJUNKA_")},
        "HEIJUNKA_BREAKER": "none",  # jobs fail here as often as they are told to
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "cli"))),
        **further,
    }


class Host:
    """One supervisor, its fork server and its workers.

    Parameters:
        mark: found in the environment of everything it starts.
        folder: where its log is.
        ledger: the file tasks write to.
    """

    def __init__(self, mark: str, folder: Path, ledger: Path) -> None:
        self.mark = mark
        self._log = folder / f"{mark}.log"
        self._environ = in_environment({processes.MARK: mark, LEDGER: str(ledger)})
        self.process: subprocess.Popen[bytes]

    def start(
        self,
        url: str,
        *,
        count: int = 1,
        domain: str = "payment",
        app: str = "tests.faults.shop:app",
        environ: Mapping[str, str] | None = None,
        **settings: str,
    ) -> None:
        """Start it.

        Parameters:
            url: where Redis is, as it sees it.
            count: of worker processes.
            domain: whose jobs they run.
            app: what they load.
            environ: further variables.
            settings: by name, `lease="2s"`.
        """
        given = {f"HEIJUNKA_{name.upper()}": value for name, value in {"grace": GRACE, **settings}.items()}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "heijunka_cli",
                    "worker",
                    app,
                    "-d",
                    domain,
                    "-n",
                    str(count),
                    "--redis-url",
                    url,
                ],
                cwd=ROOT,
                env={**self._environ, **given, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return self.process.pid

    def workers(self) -> list[int]:
        """The processes of the workers that live: children of the supervisor's fork servers."""
        return sorted(worker for server in processes.children(self.pid) for worker in processes.children(server))

    def processes(self) -> list[int]:
        """Everything of this host that lives, what tasks started included."""
        return processes.marked(self.mark)

    def tell(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait until the supervisor has ended; its exit code."""
        return self.process.wait(40)

    def log(self) -> str:
        """What it logged."""
        return self._log.read_text() if self._log.exists() else ""

    def boards(self) -> list[str]:
        """Directories of boards that are left, unless the supervisor was killed: the next one removes those."""
        if self.process.returncode == -signal.SIGKILL:
            return []
        names = re.findall(r" (\S+): loading", self.log())
        found = [Path(f"/dev/shm/heijunka-{os.getuid()}") / name for name in dict.fromkeys(names)]  # noqa: S108 - theirs
        return [str(path) for path in found if path.exists()]

    def close(self) -> None:
        """End what is left of it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if hasattr(self, "process"):
            self.process.wait(40)
