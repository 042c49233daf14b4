"""A stand-in application and a small worker: enough of both for a supervisor to have real work to watch.

An application's "path" is a JSON file (see `Plan`), so a test changes the code by writing the file. The
worker pulls, runs and settles through the real commands; it says what happens on a list in Redis, which
tests wait on. What a job does is its task's name (see `Work`).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from heijunka import commands, wire
from heijunka.app.pooling import PoolTerms, pool_terms
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.commands import Entry
from heijunka.config import Settings, load_settings
from heijunka.errors import AppNotFound
from heijunka.keys import domain_keys
from heijunka.policies.breaker import BreakerRules
from heijunka.worker import eviction, link
from heijunka.worker.board import Board
from heijunka.worker.spec import WorkerSpec
from heijunka.worker.supervisor import Supervisor

TASKS = ("ok", "hold", "limited", "stubborn", "crash", "exit", "chatty", "child")


class Plan(msgspec.Struct):
    """What the stand-in application is like.

    Attributes:
        url: where Redis is.
        namespace: of the application.
        domains: that it declares.
        version: of its code; workers say it.
        settings: of the application.
        on_load: what happens when it is imported: "", "raise", "exit", "segfault", "hang",
            "thread", or "upgrade": the library that the fork server runs is another one.
        on_fork: what happens when a worker starts: "", "segfault", or "wait" for an order to go on.
    """

    url: str
    namespace: str
    domains: tuple[str, ...] = ("payment",)
    version: int = 1
    settings: dict[str, Any] = {}
    on_load: str = ""
    on_fork: str = ""


class StandIn:
    """An application, as the fork server needs it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.namespace, self.domains = plan.namespace, plan.domains
        self._values = dict(plan.settings)

    @property
    def settings(self) -> Settings:
        return load_settings(self._values)

    def override(self, values: dict[str, Any], origin: str) -> None:
        self._values |= values

    def redis_url(self) -> str:
        return self.plan.url

    def pool_terms(self, domain: str) -> PoolTerms:
        return pool_terms({}, self.settings)

    def breaker(self, domain: str) -> tuple[BreakerRules | None, tuple[type[BaseException], ...]]:
        return None, ()

    @property
    def uses_embedded_server(self) -> bool:
        return False

    def close(self) -> None:
        pass


def load(path: str) -> StandIn:
    if not Path(path).exists():
        raise AppNotFound(f"there is no {path}", hint="write one", path=path)
    plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
    if plan.on_load == "raise":
        raise LookupError("no such shop")
    if plan.on_load == "exit":
        sys.exit("not today")
    if plan.on_load == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if plan.on_load == "hang":
        Client(plan.url).plain("RPUSH", f"{plan.namespace}:said", json.dumps({"what": "loading", "pid": os.getpid()}))
        threading.Event().wait()
    if plan.on_load == "thread":
        threading.Thread(target=threading.Event().wait, name="telemetry", daemon=True).start()
    if plan.on_load == "upgrade":
        link._encode = lambda message: b"what is this"
    return StandIn(plan)


def run(app: StandIn, spec: WorkerSpec, board: Board) -> int:
    if app.plan.on_fork == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    return Work(app, spec, board).run()


class Work:
    """A worker of one slot.

    Tasks: "ok" ends at once; "hold" waits for an order to end; "limited" waits likewise, and may run for
    100 ms; "crash" kills its process, and "exit" ends it; "child" starts a process and then waits; "chatty"
    writes a megabyte to stderr and then waits.
    """

    def __init__(self, app: StandIn, spec: WorkerSpec, board: Board) -> None:
        self._app, self._spec, self._board = app, spec, board
        self._client = Client(spec.redis_url, role="stand-in")
        self._keys = domain_keys(spec.namespace, spec.domain)
        self._held: list[Entry] = []
        self._quiet = False
        self._stop_at: float | None = None

    def run(self) -> int:
        if self._app.plan.on_fork == "wait":
            self.say("starting")
            self._wait_until_told(lambda: False)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGTSTP, lambda *_: self._set_quiet(quiet=True))
        signal.signal(signal.SIGCONT, lambda *_: self._set_quiet(quiet=False))
        self._client.execute(commands.join(self._keys, self._spec.id, ttl=Milliseconds(self._spec.lease_ms)))
        self._board.name_tasks(TASKS)
        self._board.mark_joined()
        self.say("joined", version=self._app.plan.version)
        code = self._work()
        self._client.execute(commands.leave(self._keys, self._spec.id))
        self.say("left", code=code)
        return code

    def _work(self) -> int:
        while self._stop_at is None:
            if self._quiet:
                time.sleep(0.01)
                continue
            pulled = self._client.execute(commands.pull(self._keys, self._spec.id, 10, alone=not self._held))
            if isinstance(pulled, commands.Lost) or not pulled.entries:
                if self._spec.burst:
                    return 0
                time.sleep(0.01)
                continue
            self._held += pulled.entries
            while self._held and self._stop_at is None:
                if not self._attempt(self._held[0]):
                    return 75
        self._settle([commands.release(entry) for entry in self._held])
        return 0

    def _attempt(self, entry: Entry) -> bool:
        job = wire.decode_job(entry.job)
        since_ns = time.monotonic_ns()
        limit_ms = 100 if job.task == "limited" else 0
        self._board.begin(0, entry.source, entry.id, job.id, limit_ms, since_ns, TASKS.index(job.task) + 1)
        ended = entry.overdue or self._do(job.task, entry)
        self._board.end(0, time.monotonic_ns() - since_ns)
        self._settle([commands.ack(entry) if ended else commands.release(entry)])
        self._held.remove(entry)
        return ended

    def _do(self, task: str, entry: Entry) -> bool:
        if task in {"crash", "exit"}:
            sys.stderr.write("charging card 7\n")
            os._exit(3) if task == "exit" else os.kill(os.getpid(), signal.SIGSEGV)
        if task == "chatty":
            sys.stderr.write("x" * 1_000_000 + "\n")
        if task == "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            self.say("child", child=child.pid)
        if task != "ok":
            self.say("running", task=task, deliveries=entry.deliveries, held=len(self._held))
            return self._wait_until_told(lambda: task != "stubborn" and self._grace_is_over())
        return True

    def _wait_until_told(self, give_up: Callable[[], bool]) -> bool:
        while self._client.plain("LPOP", f"{self._spec.namespace}:go") is None:
            if give_up():
                return False
            time.sleep(0.01)
        return True

    def _grace_is_over(self) -> bool:
        return self._stop_at is not None and time.monotonic() >= self._stop_at

    def _settle(self, outcomes: list[Any]) -> None:
        if outcomes:
            self._client.execute(commands.settle(self._keys, outcomes))

    def _stop(self) -> None:
        self._stop_at = time.monotonic() + self._spec.grace_ms / 1_000
        told = f"{self._spec.namespace}:told"
        threading.Thread(target=self._client.plain, args=("RPUSH", told, self._spec.id)).start()

    def _set_quiet(self, *, quiet: bool) -> None:
        self._quiet = quiet
        threading.Thread(target=self.say, args=("quiet" if quiet else "resumed",)).start()

    def say(self, what: str, **more: Any) -> None:
        said = {"what": what, "worker": self._spec.id, "pid": os.getpid(), **more}
        self._client.plain("RPUSH", f"{self._spec.namespace}:said", json.dumps(said))


def supervise(options: dict[str, Any]) -> int:
    eviction.LOOK_EVERY_S = options.pop("eviction_every_s", eviction.LOOK_EVERY_S)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    return Supervisor(
        **options, functions={"load": "tests.worker.stand_in:load", "run": "tests.worker.stand_in:run"}
    ).run()


if __name__ == "__main__":
    sys.exit(supervise(json.loads(sys.argv[1])))
