"""A process that uses the embedded server, and does what its standard input says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import redis

from heijunka.errors import HeijunkaError
from heijunka.server import EmbeddedServer

_ROOT = Path(__file__).parents[2]


class User:
    """Such a process, seen from the test.

    Parameters:
        environ: its environment.
        name: of the instance it uses.
        directory: of the private instance it uses instead.
    """

    def __init__(self, environ: Mapping[str, str], *, name: str = "default", directory: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.server.user", name, *([str(directory)] if directory is not None else [])],
            cwd=_ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def tell(self, word: str) -> None:
        """Say what to do next."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Wait for the answer."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def ask(self, word: str) -> str:
        """Say what to do, wait for the answer."""
        self.tell(word)
        return self.hear()

    def interrupt(self) -> None:
        """What Ctrl-C on its terminal does to it and to its children; wait for its end."""
        os.killpg(self.pid, signal.SIGINT)
        self._process.wait()

    def exit(self) -> None:
        """Let it end in good order; wait for it."""
        self.tell("exit")
        self._process.wait()

    def kill(self) -> None:
        """Kill -9; wait for its end."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def main() -> None:
    """Obey standard input."""
    server = EmbeddedServer(sys.argv[1], directory=Path(sys.argv[2]) if sys.argv[2:] else None)
    for line in sys.stdin:
        try:
            answer = obey(server, line.strip())
        except HeijunkaError as error:
            answer = f"{type(error).__name__}: {error}"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def obey(server: EmbeddedServer, word: str) -> object:  # noqa: PLR0911 - one for each word
    """Do one thing."""
    match word.split():
        case ["acquire"]:
            return server.acquire()
        case ["begin"]:
            threading.Thread(target=server.acquire).start()
            return "begun"
        case ["release"]:
            server.release()
            return "released"
        case ["stop"]:
            return server.stop()
        case ["rounds", number]:
            return rounds(server, int(number))
        case ["fork"]:
            return fork(server, "wait")
        case ["fork", *words]:
            child = fork(server, *words)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        case ["exit"]:
            sys.exit()
        case _:
            raise ValueError(word)


def fork(server: EmbeddedServer, *words: str) -> int:
    """Fork a child that does some things and ends; `wait` is one of them."""
    child = os.fork()
    if child == 0:
        for word in words:
            if word == "wait":
                signal.pause()
            else:
                obey(server, word)
        os._exit(0)
    return child


def rounds(server: EmbeddedServer, number: int) -> str:
    """Come, count and go, again and again; stop at the first surprise."""
    for _ in range(number):
        with redis.Redis.from_url(server.acquire()) as driver:
            driver.incr("rounds")
        server.release()
    return "done"


if __name__ == "__main__":
    main()
