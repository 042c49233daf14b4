"""Run `async def` tasks on an event loop; `def` tasks among them run in threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from heijunka import commands
from heijunka.app.context import CURRENT
from heijunka.commands.settle import Outcome
from heijunka.worker import soft
from heijunka.worker.attempt import Attempt, Pipeline
from heijunka.worker.board import Board
from heijunka.worker.inbox import Inbox
from heijunka.worker.settler import Settler


class LoopExecutor:
    """Several slots on one event loop.

    Each attempt is an asyncio task of its own, so that cancelling one, and what it sets in its context,
    stays its own affair.

    Parameters:
        inbox: where jobs come from.
        pipeline: the steps around running.
        settler: where outcomes go.
        board: shows what runs.
        slots: attempts at a time.
        lifespan: entered on the loop before the first job, left after the last.

    Attributes:
        busy_ns: how long its attempts ran in all.
        ended: how many there were.
    """

    def __init__(
        self,
        inbox: Inbox,
        pipeline: Pipeline,
        settler: Settler,
        board: Board,
        *,
        slots: int,
        lifespan: Callable[[], AbstractAsyncContextManager[Any]],
    ) -> None:
        self._inbox, self._pipeline, self._settler, self._board = inbox, pipeline, settler, board
        self._free = list(range(slots))
        self._slots, self._lifespan = slots, lifespan
        self._attempts: dict[int, asyncio.Task[None]] = {}  # the last of each slot
        self._under_way: list[Attempt | None] = [None] * slots
        self._loop: asyncio.AbstractEventLoop | None = None
        self._emptied: asyncio.Event
        self._context: contextvars.Context
        self._threads: ThreadPoolExecutor | None = None
        self._cancelling = False
        self.busy_ns = 0
        self.ended = 0

    @property
    def running(self) -> int:
        """How many attempts run now."""
        return self._slots - len(self._free)

    def run(self) -> None:
        """Run jobs until the inbox is closed and every attempt has ended."""
        asyncio.run(self._run())

    def cancel(self) -> None:
        """Cancel every running attempt and hand its job back. From any thread."""
        self._cancelling = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel_all)

    def call_off(self) -> None:
        """Cancel the coroutines whose jobs are in the pipeline's `cancels` now. From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and every attempt with it
                self._loop.call_soon_threadsafe(self._cancel_called_off)

    async def _run(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._emptied = asyncio.Event()
        async with self._lifespan():
            self._context = contextvars.copy_context()
            self._inbox.on_arrival = partial(self._woken, loop)
            self._start()
            await self._emptied.wait()
            if self._attempts:
                await asyncio.wait(self._attempts.values())
        if self._threads is not None:
            self._threads.shutdown(wait=not self._cancelling)

    def _woken(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and what arrives now is given back
            loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        """Start jobs while slots are free. What may not run has its outcome at once."""
        while self._free:
            entry = self._inbox.next()
            if entry is None:
                self._inbox.nudge()
                if self._inbox.closed:
                    self._emptied.set()
                return
            attempt = self._pipeline.admitted(entry)
            if isinstance(attempt, Attempt):
                slot = self._free.pop()
                self._attempts[slot] = asyncio.create_task(
                    self._ran(attempt, slot),
                    context=self._context.copy(),  # not of whoever ended just now, and starts the next
                )
            else:
                self._settler.put(entry, attempt)

    async def _ran(self, attempt: Attempt, slot: int) -> None:
        entry = attempt.entry
        since_ns = time.monotonic_ns()
        self._board.begin(
            slot, entry.source, entry.id, attempt.job.id, attempt.timeout_ms, since_ns, attempt.runnable.number
        )
        outcome: Outcome
        try:
            CURRENT.set(attempt.current)
            if attempt.runnable.is_async:
                self._under_way[slot] = attempt
                if self._pipeline.cancels and attempt.current.cancelled:  # since it was admitted
                    raise asyncio.CancelledError  # noqa: TRY301 - as if it had been cancelled at once
                if attempt.soft_ms:
                    value = await soft.awaited(attempt.runnable.run, attempt.current, attempt.soft_ms)
                else:
                    value = await attempt.runnable.run(attempt.current)
            else:
                value = await self._in_thread(attempt)
        except asyncio.CancelledError as error:
            outcome = commands.release(entry) if self._cancelling else self._pipeline.raised(attempt, error)
        except BaseException as error:  # noqa: BLE001 - a task may raise anything; it ends here
            outcome = self._pipeline.raised(attempt, error)
        else:
            outcome = self._pipeline.returned(attempt, value)
        self._under_way[slot] = None
        spent_ns = time.monotonic_ns() - since_ns
        self._board.end(slot, spent_ns)
        self.busy_ns += spent_ns
        self.ended += 1
        self._settler.put(entry, outcome)
        self._free.append(slot)
        self._start()

    async def _in_thread(self, attempt: Attempt) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="slot")
        context = contextvars.copy_context()
        run, current = attempt.runnable.run, attempt.current
        call: Callable[[], Any] = partial(context.run, partial(run, current))
        if attempt.soft_ms:
            call = partial(soft.in_thread, context, run, current, attempt.soft_ms)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _cancel_called_off(self) -> None:
        for slot, attempt in enumerate(self._under_way):
            if attempt is not None and attempt.current.cancelled:
                self._under_way[slot] = None  # once: what it does to end in order is not interrupted
                self._attempts[slot].cancel()

    def _cancel_all(self) -> None:
        for task in tuple(self._attempts.values()):
            task.cancel()
