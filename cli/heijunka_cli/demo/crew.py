"""The demo's workers: a supervisor in a process of its own, as `heijunka worker` would run it.

It leads a session of its own, so that Ctrl-C reaches the demo alone and the demo decides; and it dies with
the demo, whatever ends that. What it logs goes to a file, because the terminal belongs to the view.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, Self

from heijunka.errors import WorkerError

STOPS_WITHIN_S: Final = 1.5
"""How long workers may take to finish what they run; what is left then is nobody's any more."""
STOPS_AT_ONCE_WITHIN_S: Final = 4.0

_TOLD_LINES: Final = 3


class Crew:
    """The workers, while it is entered.

    Parameters:
        url: where Redis is.
        log: the file its log goes to.
        processes: workers of each domain.
        slots: attempts that each runs at a time.
    """

    def __init__(self, url: str, log: Path, *, processes: int, slots: int) -> None:
        self._words = [url, str(processes), str(slots)]
        self._log = log

    def __enter__(self) -> Self:
        """Start them."""
        with self._log.open("wb") as log:
            self._process = _started(self._words, log)
        return self

    def __exit__(self, *about: object) -> None:
        """Stop them, and return when all of them have ended."""
        self._process.terminate()
        if not self._ended_within(STOPS_WITHIN_S):
            self._process.send_signal(signal.SIGINT)  # a second signal makes a supervisor stop at once
            if not self._ended_within(STOPS_AT_ONCE_WITHIN_S):
                self._process.kill()
                self._process.wait()

    def _ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def check(self) -> None:
        """Return if the supervisor lives.

        Raises:
            WorkerError: it has ended; the message has the end of its log.
        """
        code = self._process.poll()
        if code is not None:
            told = self._log.read_text(errors="replace").strip().splitlines()[-_TOLD_LINES:]
            raise WorkerError(f"the demo's workers ended with code {code}: {' | '.join(told) or 'they said nothing'}")


def _started(words: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own module, by the Python that runs us
        [sys.executable, "-m", "heijunka_cli.demo.crew", str(os.getpid()), *words],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def main(parent: int, url: str, processes: int, slots: int) -> int:
    """Be the supervisor.

    Parameters:
        parent: the demo's process.
        url: where Redis is.
        processes: workers of each domain.
        slots: attempts that each runs at a time.

    Returns:
        The process's exit code; see `Supervisor.run`.
    """
    import logging

    from heijunka.worker import mortality
    from heijunka.worker.supervisor import Supervisor

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mortality.die_with(parent)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    supervisor = Supervisor(
        "heijunka_cli.demo.app:app",
        processes=processes,
        slots=slots,
        overrides={"redis_url": url},
        functions={"logs": "heijunka_cli.demo.crew:set_up_logs"},
    )
    return supervisor.run()


def set_up_logs(level: str) -> None:
    """Let workers log, but not that attempts fail: some do on purpose, and the view counts them.

    Parameters:
        level: of the least that is logged.
    """
    import logging

    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    logging.getLogger("heijunka.worker.attempt").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
