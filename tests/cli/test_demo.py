"""`heijunka demo` as a newcomer runs it: real processes, that may be killed, interrupted and looked at."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from heijunka.broker.client import Client
from heijunka.keys import domain_keys
from heijunka.server import EmbeddedServer
from tests.fixtures.waiting import wait_until

MARK = "HEIJUNKA_TEST_MARK"
QUICK = ("--jobs", "100", "-n", "1")


class Newcomer:
    """Somebody who runs the demo, on a machine where everything it starts and leaves can be found.

    Attributes:
        temporary: the directory for temporary files.
    """

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary
        self._out, self._err = temporary / "out", temporary / "err"
        binary = os.environ.get("HEIJUNKA_TEST_SERVER")
        inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self._environ = {
            **inherited, MARK: str(temporary), "TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(temporary),
            **({"HEIJUNKA_SERVER_BINARY": binary} if binary else {}),
        }  # fmt: skip
        self.process: subprocess.Popen[bytes]

    def start(self, *words: str, terminal: int | None = None, **environ: str) -> None:
        """Start the demo in a group of its own, as a shell does; `terminal` is what it talks to, if any."""
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "heijunka_cli", "demo", *words],
                env=self._environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=terminal or out,
                stderr=terminal or err,
                start_new_session=True,
            )

    def press_ctrl_c(self) -> None:
        """What a terminal does then."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> int:
        """Wait until it has ended; returns its exit code."""
        return self.process.wait(55)

    @property
    def out(self) -> str:
        """What it wrote to stdout."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """What it wrote to stderr."""
        return self._err.read_text()

    def workers(self) -> list[int]:
        """The worker processes that it named last."""
        named = re.findall(r"workers are processes (.*)", self.err)
        return [int(pid) for pid in named[-1].split()] if named else []

    def redis_url(self) -> str:
        """Where its private server is."""
        [socket] = self.temporary.glob("heijunka/*.sock")
        return f"unix://{socket}"

    def processes(self) -> list[str]:
        """The command lines of what it started and still lives."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.name != str(os.getpid()):
                    command, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
                    if f"{MARK}={self.temporary}\0".encode() in environ or str(self.temporary).encode() in command:
                        found.append(command.decode().replace("\0", " ").strip())
        return found

    def left_on_disk(self) -> list[str]:
        """What it left in the directory for temporary files."""
        ours = {"out", "err", "heijunka"}
        beside = [path.name for path in self.temporary.iterdir() if path.name not in ours]
        return beside + [path.name for path in self.temporary.glob("heijunka/*")]

    def close(self) -> None:
        """End what is left of it."""
        if hasattr(self, "process"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        for lock in self.temporary.rglob("alive.lock"):
            EmbeddedServer(directory=lock.parent, environ=self._environ).stop(force=True)


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    directory = Path(tempfile.mkdtemp(prefix="hj-")).resolve()  # short, because a socket's path is
    newcomer = Newcomer(directory)
    yield newcomer
    newcomer.close()
    rmtree(directory)


def summary(newcomer: Newcomer) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(newcomer.out)
    return told


# -- how it goes ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_demo_does_what_it_promises_and_adds_up(newcomer: Newcomer) -> None:
    newcomer.start("--json")

    assert 0 == newcomer.ended()
    told = summary(newcomer)
    assert {
        "enqueued": 5_000, "done": 4_999, "dead": 1, "retried": 24,
        "redelivered": 0, "suspected": 0, "poisoned": 0, "left": 0,
    } == told["jobs"]  # fmt: skip
    assert ["payment", "delivery", "notification"] == list(told["domains"])
    assert told["adds_up"]
    assert [] == [check for check in told["checks"] if check["expected"] != check["found"]]
    assert re.search(r"burst: 2,500 jobs enqueued in \d+ ms", newcomer.err)
    assert "lost-parcel.py is not there; its job is dead-lettered" in newcomer.err
    assert "busy customers answer 503; their jobs are tried again" in newcomer.err
    assert ([], []) == (newcomer.processes(), newcomer.left_on_disk())


@pytest.mark.slow
@pytest.mark.faults
def test_killing_workers_while_ten_thousand_jobs_run_loses_none(newcomer: Newcomer) -> None:
    chance = random.Random(2)
    killed = list[int]()
    newcomer.start("--jobs", "10000", "--seconds", "60", "--json")

    def one_more_killed() -> bool:
        living = [pid for pid in newcomer.workers() if pid not in killed]
        if not living:
            return False
        with contextlib.suppress(ProcessLookupError):
            killed.append(chance.choice(living))
            os.kill(killed[-1], signal.SIGKILL)
        return True

    def busy() -> bool:
        done = re.findall(r"done ([\d,]+) of", newcomer.err)
        return bool(done) and int(done[-1].replace(",", "")) >= 600 * len(killed)

    for _ in range(10):
        wait_until(lambda: busy() and one_more_killed())

    assert 0 == newcomer.ended(), newcomer.err
    told = summary(newcomer)
    jobs = told["jobs"]
    assert (10_000, 10_000, 0) == (jobs["enqueued"], jobs["done"] + jobs["dead"], jobs["left"])
    assert 1 + jobs["poisoned"] == jobs["dead"]
    assert jobs["redelivered"] >= jobs["suspected"] > 0
    assert told["adds_up"]
    assert f"worker {killed[0]} died; another takes its place" in newcomer.err
    assert re.search(r"\d+ jobs given back, \d+ of them to be run alone", newcomer.err)
    assert [] == newcomer.processes()


@pytest.mark.slow
def test_a_number_that_is_off_is_named_and_makes_it_fail(newcomer: Newcomer) -> None:
    newcomer.start(*QUICK)
    wait_until(newcomer.workers)

    with Client(newcomer.redis_url()) as client:
        client.plain("HINCRBY", domain_keys("demo", "payment").stats, "retry", 3)

    assert 1 == newcomer.ended()
    assert re.search(r"✗ payment: retries +3 Redis +≠ +0 tasks", newcomer.out)
    assert 11 == newcomer.out.count("✓")
    assert "1 of these numbers is off." in newcomer.out
    assert "Everything adds up" not in newcomer.out


@pytest.mark.slow
def test_work_that_does_not_end_in_time_is_told(newcomer: Newcomer) -> None:
    newcomer.start(*QUICK, "--seconds", "12")
    for pid in wait_until(newcomer.workers):
        os.kill(pid, signal.SIGSTOP)

    assert 75 == newcomer.ended()
    assert re.search(r"The time was over: \d+ of 100 jobs have not ended\.", newcomer.out)
    assert ([], []) == (newcomer.processes(), newcomer.left_on_disk())


# -- how it ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["at once", "at work"])
def test_ctrl_c_leaves_nothing_behind(newcomer: Newcomer, when: str) -> None:
    newcomer.start(*QUICK)
    wait_until(newcomer.workers if when == "at work" else lambda: "done 0 of 100" in newcomer.err)

    newcomer.press_ctrl_c()
    newcomer.press_ctrl_c()  # impatience changes nothing

    assert 130 == newcomer.ended()
    assert newcomer.err.endswith("\ninterrupted; everything it started has ended\n")
    assert "" == newcomer.out
    assert ([], []) == (newcomer.processes(), newcomer.left_on_disk())


def test_it_cleans_up_also_when_it_is_told_to_terminate(newcomer: Newcomer) -> None:
    newcomer.start(*QUICK)
    wait_until(newcomer.workers)

    newcomer.process.terminate()

    assert 130 == newcomer.ended()
    assert ([], []) == (newcomer.processes(), newcomer.left_on_disk())


def test_when_the_demo_is_killed_its_workers_end_and_its_server_with_the_next_demo(newcomer: Newcomer) -> None:
    newcomer.start(*QUICK)
    wait_until(newcomer.workers)

    newcomer.process.kill()
    newcomer.process.wait()

    wait_until(lambda: len(newcomer.processes()) == 1)
    assert "-server unixsocket:" in newcomer.processes()[0]
    newcomer.start(*QUICK)
    wait_until(newcomer.workers)
    newcomer.press_ctrl_c()
    assert 130 == newcomer.ended()
    wait_until(lambda: newcomer.processes() == [])


def command_line(process: Path) -> str:
    """What a process was started with; "" when it has ended meanwhile."""
    try:
        return (process / "cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_when_the_workers_cannot_go_on_it_says_so(newcomer: Newcomer) -> None:
    newcomer.start(*QUICK)
    wait_until(newcomer.workers)
    [crew] = (
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and f"heijunka_cli.demo.crew\0{newcomer.process.pid}\0" in command_line(entry)
    )

    os.kill(crew, signal.SIGKILL)

    assert 2 == newcomer.ended()
    assert "error: the demo's workers ended with code -9: " in newcomer.err
    wait_until(lambda: newcomer.processes() == [])
    assert [] == newcomer.left_on_disk()


# -- how it looks -----------------------------------------------------------------------------------


LONG = ("--jobs", "20000", "-n", "1", "--seconds", "60")
"""More than is done before somebody who looks has seen something, on any machine."""


def seen_on_a_terminal(newcomer: Newcomer, *until: str, **environ: str) -> str:
    """Everything it writes to a terminal, when it is interrupted as soon as all of `until` were to be seen."""
    ours, theirs = pty.openpty()
    newcomer.start(*LONG, terminal=theirs, TERM="xterm-256color", COLUMNS="80", LINES="24", **environ)
    os.close(theirs)
    seen, pressed = b"", False
    with contextlib.suppress(OSError):  # the other side is closed
        while part := os.read(ours, 65_536):
            seen += part
            if not pressed and all(each.encode() in seen for each in until):
                pressed = True
                newcomer.press_ctrl_c()
    os.close(ours)
    assert 130 == newcomer.ended()
    return seen.decode()


def test_on_a_terminal_it_is_live_and_gives_the_terminal_back(newcomer: Newcomer) -> None:
    """The first green thing is the first job that is done: workers are seen before it."""
    seen = seen_on_a_terminal(newcomer, "try it: kill -9", "\x1b[32m")

    for title in ("ready", "running", "scheduled", "done", "retried", "dead", "workers", "jobs/s"):
        assert title in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is back
    assert seen.endswith("interrupted; everything it started has ended\r\n")


def test_no_color_is_respected(newcomer: Newcomer) -> None:
    seen = seen_on_a_terminal(newcomer, "try it: kill -9", "━", NO_COLOR="1")

    assert [] == re.findall(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d(?:;\d+)*m", seen)
