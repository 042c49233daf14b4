"""A fork server: loads the application, makes workers, tells how they end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heijunka.app.pooling import PoolTerms
from heijunka.config import load_settings
from heijunka.errors import InvalidSetting
from heijunka.worker.board import Board
from heijunka.worker.launcher import Launcher
from heijunka.worker.link import Died, Failed, Fork, Forked, Message, Ready, Start, Tell
from heijunka.worker.spec import WorkerSpec
from tests.fixtures.waiting import wait_until
from tests.worker.conftest import Host
from tests.worker.stand_in import StandIn, Work

FUNCTIONS = {"load": "tests.worker.stand_in:load", "run": "tests.worker.stand_in:run"}


class Parent:
    """What a supervisor does with one fork server."""

    def __init__(self, host: Host, folder: Path, **start: Any) -> None:
        self._host, self._folder = host, folder
        self.launcher = Launcher(Start(**{"app": str(folder / "app.json"), **FUNCTIONS, **start}))
        self.launcher.link._socket.settimeout(20)

    def next(self) -> Message | None:
        return self.launcher.link.receive()

    def ready(self) -> Ready:
        message = self.next()
        assert isinstance(message, Ready), message
        return message

    def fork(self, worker: str = "w1") -> tuple[int, Board]:
        """Make a worker, and wait until it has joined."""
        board = Board.create(str(self._folder / f"{worker}.board"), 1)
        spec = WorkerSpec(
            id=worker,
            domain="payment",
            namespace=self._host.namespace,
            redis_url=self._host.plan.url,
            slots=1,
            board=board.path,
            lease_ms=15_000,
            poll_ms=1_000,
            grace_ms=5_000,
            pull_size=10,
        )
        self.launcher.link.send(Fork(spec))
        message = self.next()
        assert isinstance(message, Forked), message
        return message.pid, board

    def tell(self, number: signal.Signals, *, worker: str = "w1", group: bool = False) -> None:
        self.launcher.link.send(Tell((worker,), number, group))

    def close(self) -> None:
        self.launcher.close()
        self.launcher.kill()
        self.launcher.wait()


@pytest.fixture
def parent(host: Host, tmp_path: Path) -> Iterator[Callable[..., Parent]]:
    parents: list[Parent] = []
    host.deploy()

    def start(**start: Any) -> Parent:
        parents.append(Parent(host, tmp_path, **start))
        return parents[-1]

    yield start
    for each in parents:
        each.close()


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# -- loading ----------------------------------------------------------------------------------------


def test_it_tells_what_the_application_is_like_with_the_command_lines_settings_on_top(
    host: Host, parent: Callable[..., Parent]
) -> None:
    host.deploy(domains=("payment", "fraud"), settings={"lease": "20s", "grace": "9s"})

    ready = parent(overrides={"grace": "7s", "slots": 4}).ready()

    assert (
        Ready(
            namespace=host.namespace,
            domains=("payment", "fraud"),
            redis_url=host.plan.url,
            redis_timeout_ms=5_000,
            lease_ms=20_000,
            poll_ms=2_000,
            grace_ms=7_000,
            pull_size=10,
            slots=4,
            processes=2,
            max_deliveries=3,
            keep_failure_ms=600_000,
            pools=dict.fromkeys(("payment", "fraud"), PoolTerms(2, 50, 2)),
        )
        == ready
    )


@pytest.mark.parametrize(
    ("on_load", "error"),
    [
        ("raise", "app.json cannot be loaded: LookupError: no such shop"),
        ("exit", "app.json cannot be loaded: SystemExit: not today"),
    ],
)
def test_an_application_that_raises_is_told_in_one_line_and_a_traceback_of_its_own_code_only(
    host: Host, parent: Callable[..., Parent], on_load: str, error: str
) -> None:
    host.deploy(on_load=on_load)

    message = parent().next()

    assert isinstance(message, Failed)
    assert message.error.endswith(error)
    assert (None, 2) == (message.hint, message.code)
    assert "stand_in.py" in message.traceback
    assert "forkserver.py" not in message.traceback


def test_a_wrong_path_is_told_with_what_to_do(parent: Callable[..., Parent]) -> None:
    message = parent(app="/nowhere/app.json").next()

    assert isinstance(message, Failed)
    assert ("there is no /nowhere/app.json", "write one", 2) == (message.error, message.hint, message.code)


def test_a_wrong_setting_is_told_with_what_to_do(parent: Callable[..., Parent]) -> None:
    with pytest.raises(InvalidSetting) as expected:
        load_settings({"lease": "soon"})

    message = parent(overrides={"lease": "soon"}).next()

    assert isinstance(message, Failed)
    assert (str(expected.value), expected.value.hint, 2) == (message.error, message.hint, message.code)


def test_an_application_without_domains_cannot_be_served(host: Host, parent: Callable[..., Parent]) -> None:
    host.deploy(domains=())

    message = parent().next()

    assert isinstance(message, Failed)
    assert ("decorate a function with @task", 2) == (message.hint, message.code)


def test_threads_that_importing_starts_are_told(host: Host, parent: Callable[..., Parent]) -> None:
    host.deploy(on_load="thread")

    assert ("telemetry",) == parent().ready().threads


def test_a_crash_while_importing_ends_the_link_and_tells_the_signal(host: Host, parent: Callable[..., Parent]) -> None:
    host.deploy(on_load="segfault")
    crashing = parent()

    assert crashing.next() is None
    assert -signal.SIGSEGV == crashing.launcher.wait()


# -- workers ----------------------------------------------------------------------------------------


def test_a_worker_leads_a_session_of_its_own_and_shows_itself_on_its_board(
    host: Host, parent: Callable[..., Parent]
) -> None:
    server = parent()
    server.ready()

    pid, board = server.fork()

    assert pid == host.hear("joined", worker="w1")["pid"] == board.pid
    assert board.joined
    assert pid == os.getsid(pid) == os.getpgid(pid)
    assert "Name:" in Path(f"/proc/{pid}/status").read_text()
    assert f"PPid:\t{server.launcher.pid}\n" in Path(f"/proc/{pid}/status").read_text()
    assert int(Path("/proc/self/oom_score_adj").read_text()) < int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL), (signal.SIGSEGV, -signal.SIGSEGV)]
)
def test_the_end_of_a_worker_is_told_with_its_code(
    host: Host, parent: Callable[..., Parent], number: signal.Signals, code: int
) -> None:
    server = parent()
    server.ready()
    server.fork()
    host.hear("joined")

    server.tell(number)

    assert Died("w1", code) == server.next()


def test_an_exception_that_leaves_a_worker_ends_that_process_only(
    host: Host, parent: Callable[..., Parent], capfd: pytest.CaptureFixture[str]
) -> None:
    server = parent(run="tests.worker.test_forkserver:fail")
    server.ready()
    server.fork()

    assert Died("w1", os.EX_SOFTWARE) == server.next()
    assert "RuntimeError: out of order" in capfd.readouterr().err
    server.fork("w2")
    assert Died("w2", os.EX_SOFTWARE) == server.next()


def fail(*_: object) -> int:
    raise RuntimeError("out of order")


def test_what_a_task_started_ends_with_its_worker(host: Host, parent: Callable[..., Parent]) -> None:
    server = parent()
    server.ready()
    server.fork()
    host.enqueue("child")
    child = host.hear("child")["child"]

    server.tell(signal.SIGKILL)

    assert Died("w1", -signal.SIGKILL) == server.next()
    wait_until(lambda: not lives(child))


@pytest.mark.parametrize("how", ["session", "group", "grandchild"])
def test_what_left_its_workers_group_ends_with_it_too(host: Host, parent: Callable[..., Parent], how: str) -> None:
    server = parent(run=f"tests.worker.test_forkserver:leave_by_{how}")
    server.ready()
    server.fork("w1")
    server.fork("w2")
    strays = {said["worker"]: said["strays"] for said in (host.hear("strays"), host.hear("strays"))}

    server.tell(signal.SIGKILL)

    assert Died("w1", -signal.SIGKILL) == server.next()
    wait_until(lambda: not any(map(lives, strays["w1"])))
    assert all(map(lives, strays["w2"])), "they are another worker's"


def leave_by_session(app: StandIn, spec: WorkerSpec, board: Board) -> int:
    return leave_by(app, spec, board, start_new_session=True)


def leave_by_group(app: StandIn, spec: WorkerSpec, board: Board) -> int:
    return leave_by(app, spec, board, process_group=0)


def leave_by_grandchild(app: StandIn, spec: WorkerSpec, board: Board) -> int:
    return leave_by(app, spec, board, start_new_session=True, child=True)


def leave_by(app: StandIn, spec: WorkerSpec, board: Board, *, child: bool = False, **how: Any) -> int:
    sleep = [sys.executable, "-c", "print(flush=True); import time; time.sleep(1000)"]
    family = f"import os, subprocess; print(subprocess.Popen({sleep}, env={{}}).pid, flush=True); os.wait()"
    stray = subprocess.Popen([sys.executable, "-c", family] if child else sleep, stdout=subprocess.PIPE, **how)
    assert stray.stdout is not None
    said = stray.stdout.readline().split()
    Work(app, spec, board).say("strays", strays=[stray.pid, *map(int, said)])
    signal.pause()
    return 0


def test_signals_for_a_worker_that_is_gone_reach_nobody(host: Host, parent: Callable[..., Parent]) -> None:
    server = parent()
    server.ready()
    server.fork()
    server.tell(signal.SIGKILL)
    server.next()

    server.tell(signal.SIGKILL)
    server.tell(signal.SIGKILL, worker="stranger", group=True)
    pid, _ = server.fork("w2")

    assert lives(pid)


def test_a_service_manager_that_signals_everybody_does_not_end_the_fork_server(
    host: Host, parent: Callable[..., Parent]
) -> None:
    server = parent()
    server.ready()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
        os.kill(server.launcher.pid, number)

    pid, _ = server.fork()
    host.hear("joined")
    os.kill(pid, signal.SIGTERM)  # a worker heeds it, although its parent does not
    assert Died("w1", 0) == server.next()


def test_what_a_worker_leaves_to_nobody_is_reaped_when_it_ends(host: Host, parent: Callable[..., Parent]) -> None:
    server = parent(run="tests.worker.test_forkserver:leave_an_orphan")
    server.ready()
    server.fork()

    orphan = host.hear("orphan")["orphan"]

    assert Died("w1", 0) == server.next()
    wait_until(lambda: not Path(f"/proc/{orphan}").exists())


def leave_an_orphan(app: StandIn, spec: WorkerSpec, board: Board) -> int:
    orphan = "import os; os.setsid(); print(os.getpid())"
    middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan!r}])"
    said = subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE, check=True).stdout
    Work(app, spec, board).say("orphan", orphan=int(said))
    return 0


# -- the end ----------------------------------------------------------------------------------------


def test_when_the_supervisor_is_gone_so_are_workers_and_what_they_started(
    host: Host, parent: Callable[..., Parent]
) -> None:
    server = parent()
    server.ready()
    pid, _ = server.fork()
    host.enqueue("child")
    child = host.hear("child")["child"]

    server.launcher.close()

    assert 0 == server.launcher.wait()
    wait_until(lambda: not lives(pid) and not lives(child))


def test_when_the_supervisor_is_gone_so_is_what_left_its_workers_group(
    host: Host, parent: Callable[..., Parent]
) -> None:
    server = parent(run="tests.worker.test_forkserver:leave_by_session")
    server.ready()
    server.fork()
    strays = host.hear("strays")["strays"]

    server.launcher.close()

    assert 0 == server.launcher.wait()
    wait_until(lambda: not any(map(lives, strays)))


def test_workers_die_with_a_fork_server_that_is_killed(host: Host, parent: Callable[..., Parent]) -> None:
    server = parent()
    server.ready()
    pid, _ = server.fork()
    host.hear("joined")

    server.launcher.kill()

    assert -signal.SIGKILL == server.launcher.wait()
    wait_until(lambda: not lives(pid))


def test_a_server_that_cannot_be_started_is_told_as_unavailable(redis_url: str, parent: Callable[..., Parent]) -> None:
    message = parent(load="tests.worker.test_forkserver:no_server").next()

    assert isinstance(message, Failed)
    assert ("the embedded server did not start", os.EX_UNAVAILABLE) == (message.error.lower(), message.code)


def no_server(path: str) -> Any:
    from heijunka.errors import ServerNotStarted

    raise ServerNotStarted
