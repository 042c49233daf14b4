"""The inside of one worker process: fetcher → inbox → executor → outbox → settler.

Signals only write a note; a thread of its own acts on it, because a handler may interrupt any line of
the main thread, also one that holds a lock.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import math
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, Final

from heijunka import commands
from heijunka.app import Heijunka
from heijunka.broker.client import Client
from heijunka.clock import wall_ms
from heijunka.counted import counted
from heijunka.errors import BrokerError, DefinitionError, EnqueueError
from heijunka.keys import domain_keys
from heijunka.policies.pace import blended_ms, pull_size
from heijunka.wire import ID_IN_BLOB
from heijunka.worker.attempt import Pipeline
from heijunka.worker.board import Board
from heijunka.worker.breaker import Breaker, alert
from heijunka.worker.fatal import essential
from heijunka.worker.fetcher import Fetcher
from heijunka.worker.inbox import Inbox
from heijunka.worker.inline import InlineExecutor
from heijunka.worker.loop import LoopExecutor
from heijunka.worker.marked import LOOK_FOR_NEWS, marked
from heijunka.worker.orders import listen
from heijunka.worker.runnable import runnables
from heijunka.worker.settler import Settler
from heijunka.worker.spec import WorkerSpec
from heijunka.worker.threads import ThreadExecutor

log: Final = logging.getLogger("heijunka.worker")

RETIRE: Final = 0
"""An order that is no signal: pull no more, and end when what runs has ended."""
FAREWELL_S: Final = 1.0
EXIT_OK: Final = 0
EXIT_UNFINISHED: Final = 75
SWITCH_INTERVAL_S: Final = 0.0001
"""How long a thread may keep the interpreter while another wants it: the fetcher and the settler need it
only for moments, and should not wait Python's usual 5 ms for each."""


def run_worker(app: Heijunka, spec: WorkerSpec, board: Board) -> int:
    """Be a worker until told to stop.

    Parameters:
        app: the application, loaded before the fork.
        spec: what to be.
        board: where to show what runs.

    Returns:
        The process's exit code: 0, or 75 when work was left unfinished after the grace.
    """
    return WorkerProcess(app, spec, board).run()


class WorkerProcess:
    """One worker process."""

    def __init__(self, app: Heijunka, spec: WorkerSpec, board: Board) -> None:
        self._app, self._spec, self._board = app, spec, board
        self._keys = domain_keys(spec.namespace, spec.domain)
        self._client = Client(spec.redis_url, role=f"worker:{spec.domain}")
        self._orders: SimpleQueue[Any] = SimpleQueue()
        self._ahead_ms = 0
        self._mean_ms: float | None = None
        self._seen = (0, 0)
        self._cut_short = False

        board.name_tasks(tuple(app.tasks))
        tasks = {name: task for name, task in runnables(app).items() if task.domain == spec.domain}
        breaker = self._breaker()
        pipeline = Pipeline(
            tasks,
            worker=spec.id,
            server_ms=self._server_ms,
            keep_failure_ms=app.settings.keep_result_ms,
            park_ttl_ms=app.settings.park_ttl_ms,
            breaker=breaker,
        )
        self._cancels = pipeline.cancels
        self._failures = pipeline.failures
        on_loop = any(task.is_async for task in tasks.values())
        self._inbox = Inbox(1 if on_loop else spec.slots)
        self._settler = Settler(
            self._client.channel(),
            self._keys,
            busy=lambda: len(self._inbox) > 0,
            keep_failure_ms=app.settings.keep_result_ms,
        )
        self._slots: list[InlineExecutor] = []
        self._executor: InlineExecutor | ThreadExecutor | LoopExecutor
        if on_loop:
            self._executor = LoopExecutor(
                self._inbox, pipeline, self._settler, board, slots=spec.slots, lifespan=self._alifespan
            )
        else:
            self._slots = [
                InlineExecutor(self._inbox, pipeline, self._settler, board, slot) for slot in range(spec.slots)
            ]
            self._executor = self._slots[0] if spec.slots == 1 else ThreadExecutor(self._slots)
        self._fetcher = Fetcher(
            self._client,
            self._keys,
            spec,
            self._inbox,
            self._settler,
            want=self._want,
            joined=self._joined,
            breaker=breaker,
        )
        if breaker is not None:
            breaker.on_open = self._fetcher.give_back_unstarted
        self._fetcher.on_drained = lambda: self._orders.put(signal.SIGTERM)
        self._fetcher.on_spent = lambda: self._orders.put(RETIRE)

    def run(self) -> int:
        """Be a worker until told to stop; see `run_worker`."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.collect()
        gc.freeze()
        self._listen()
        essential(self._obey, "orders").start()
        on_loop = isinstance(self._executor, LoopExecutor)
        with contextlib.nullcontext() if on_loop else self._lifespan():
            self._settler.start()
            self._fetcher.start()
            self._executor.run()
        settled = self._settler.stop()
        self._fetcher.join(FAREWELL_S)
        self._failures.flush()
        self._left()
        return EXIT_OK if settled and not self._cut_short else EXIT_UNFINISHED

    # -- orders ---------------------------------------------------------------------------------

    def _listen(self) -> None:
        listen(self._orders, (signal.SIGTERM, signal.SIGTSTP, signal.SIGCONT, LOOK_FOR_NEWS))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        faulthandler.register(signal.SIGTTIN, all_threads=True)

    def _obey(self) -> None:
        retires = self._last_order() == RETIRE
        self._fetcher.stop()
        if retires:
            self._board.mark_retiring()
            log.info("%s retires", self._spec.id)
        deadline = math.inf if retires else self._grace_over()
        while self._running():
            if time.monotonic() >= deadline:
                self._hand_back_the_rest()
                return
            with contextlib.suppress(Empty):
                order = self._orders.get(timeout=0.02)
                if order == LOOK_FOR_NEWS:
                    self._look_for_marks()  # it pulls no more and holds nothing unstarted: pauses are no matter
                elif order == signal.SIGTERM:
                    deadline = min(deadline, self._grace_over())

    def _last_order(self) -> int:
        """Do what is told until it is to end: with a grace (TERM), or whenever what runs has ended (RETIRE)."""
        while True:
            order: int = self._orders.get()
            if order == LOOK_FOR_NEWS:
                self._fetcher.look_for_pauses(self._client)
                self._fetcher.look_for_reset(self._client)
                self._look_for_marks()
            elif order in {signal.SIGTERM, RETIRE}:
                return order
            elif self._board.retirement_wished:
                return RETIRE
            elif self._board.quiet_wished:
                self._fetcher.quiet()
            else:
                self._fetcher.resume()

    # -- the breaker ----------------------------------------------------------------------------

    def _breaker(self) -> Breaker | None:
        rules, expected = self._app.breaker(self._spec.domain)
        if rules is None:
            return None
        return Breaker(
            rules,
            expected,
            worker=self._spec.id,
            domain=self._spec.domain,
            server_ms=self._server_ms,
            shown=self._board.mark_breaker,
            opened=self._opened,
        )

    def _opened(self, facts: dict[str, object]) -> None:
        settings = self._app.settings
        alert(facts, command=settings.alert_command, webhook=settings.alert_webhook)
        with contextlib.suppress(BrokerError, EnqueueError):  # it is in the log
            self._client.plain("HINCRBY", self._keys.stats, "breaker_opened", 1)

    def _server_ms(self) -> int:
        return wall_ms() + self._ahead_ms

    def _grace_over(self) -> float:
        return time.monotonic() + self._spec.grace_ms / 1_000

    def _look_for_marks(self) -> None:
        """Jobs of this domain were cancelled: tell the attempts here that they are meant."""
        try:
            ids = marked(self._client.execute, self._keys)
        except (BrokerError, EnqueueError) as error:  # what goes on for too long is killed by the supervisor
            log.warning("%s cannot ask who was cancelled: %s", self._spec.id, error)
            return
        held = self._fetcher.held()
        meant = {place for place, entry in held.items() if entry.job[ID_IN_BLOB] in ids}
        news = len(meant - self._cancels)
        self._cancels.intersection_update(held)
        self._cancels.update(meant)
        if news:
            log.info("%s: told that it holds %s", self._spec.id, counted(news, "cancelled job"))
        if isinstance(self._executor, LoopExecutor):
            self._executor.call_off()

    def _hand_back_the_rest(self) -> None:
        """The grace is over: what still runs is cancelled where it can be, and given back in any case."""
        self._cut_short = True
        log.warning("%s: grace is over, handing back %s", self._spec.id, counted(self._running(), "running job"))
        if isinstance(self._executor, LoopExecutor):
            self._executor.cancel()
            return
        for entry in list(self._settler.held.values()):
            self._settler.put(entry, commands.release(entry))
        self._settler.stop()
        self._left()
        os._exit(EXIT_UNFINISHED)

    # -- measures -------------------------------------------------------------------------------

    def _running(self) -> int:
        if isinstance(self._executor, LoopExecutor):
            return self._executor.running
        return sum(slot.running for slot in self._slots)

    def _want(self) -> tuple[int, int]:
        parts: list[Any] = self._slots or [self._executor]
        busy_ns, ended = sum(part.busy_ns for part in parts), sum(part.ended for part in parts)
        news, spent = ended - self._seen[1], busy_ns - self._seen[0]
        if news > 0:
            self._seen = (busy_ns, ended)
            self._mean_ms = blended_ms(self._mean_ms, spent / news / 1e6)
        size = pull_size(mean_ms=self._mean_ms, slots=self._spec.slots, first=self._spec.pull_size)
        return size, self._spec.slots - self._running()

    def _joined(self, server_ms: int) -> None:
        self._ahead_ms = server_ms - wall_ms()
        self._board.mark_joined()

    def _left(self) -> None:
        with contextlib.suppress(BrokerError, EnqueueError):  # somebody will recover what we could not give back
            self._client.execute(commands.leave(self._keys, self._spec.id))
        self._client.close()

    # -- lifespan -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _lifespan(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for hook in self._app.lifespans:
                manager = hook()
                if isinstance(manager, AbstractContextManager):
                    stack.enter_context(manager)
                else:
                    raise DefinitionError(
                        f"lifespan {hook!r} is async, and no task of domain {self._spec.domain} is",
                        hint="make it a plain context manager",
                    )
            yield

    @contextlib.asynccontextmanager
    async def _alifespan(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for hook in self._app.lifespans:
                manager = hook()
                if isinstance(manager, AbstractAsyncContextManager):
                    await stack.enter_async_context(manager)
                else:
                    stack.enter_context(manager)
            yield
