"""Soft timeouts: raise `SoftTimeout` in a task that runs for too long, and nowhere else.

Python can raise in the main thread (from a signal's handler), in another thread (as an asynchronous exception) and in
a coroutine (by cancelling it). The first two strike between any two instructions, so each has a guard:

- In the main thread the handler looks where it struck. In the frame that called the task, or above, the task has not
  begun or has returned already, and nothing is raised.
- In other threads the task's value is kept by code without instructions of Python's before anything can strike, and
  afterwards what is still to strike is taken back. Nothing there takes a lock: it might never be given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import math
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Final

from heijunka.app.context import CurrentJob
from heijunka.clock import spell_ms
from heijunka.errors import SoftTimeout
from heijunka.worker.fatal import essential

AGAIN_S: Final = 0.01
"""After which the alarm rings again, if it could not raise where it struck."""

Softly = Callable[[Context, Callable[[CurrentJob], Any], CurrentJob, int], Any]
"""Runs a task in a context, with a soft timeout (ms), and returns what it returns."""

_raise_in: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_NULL: Final[Any] = ctypes.py_object()


def for_this_thread() -> Softly:
    """What runs tasks with a soft timeout in the calling thread."""
    return Alarm() if threading.current_thread() is threading.main_thread() else in_thread


class Alarm:
    """In the main thread: a timer's signal (SIGALRM, ITIMER_REAL)."""

    def __init__(self) -> None:
        self._guard: FrameType | None = None
        self._ms = 0

    def __call__(self, context: Context, run: Callable[[CurrentJob], Any], current: CurrentJob, ms: int) -> Any:
        """Run a task; see `Softly`."""
        self._guard, self._ms = sys._getframe(), ms  # noqa: SLF001 - the only way to know where a signal strikes
        signal.signal(signal.SIGALRM, self._rang)  # a task may have had the signal for itself
        signal.setitimer(signal.ITIMER_REAL, ms / 1_000, AGAIN_S)
        try:
            return context.run(run, current)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._guard = None

    def _rang(self, _: int, frame: FrameType | None) -> None:
        guard = self._guard
        if guard is None or frame is guard:
            return
        while frame is not None and frame is not guard:
            frame = frame.f_back
        if frame is guard:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise soft_timeout(self._ms)


class Ticket:
    """One run of a task in a thread, for the watcher.

    Attributes:
        thread: the thread's number.
        deadline: when to raise, by the monotonic clock, in seconds.
        right: holds one thing; whoever takes it decides whether something is raised.
        raised: whether something was.
    """

    __slots__ = ("deadline", "raised", "right", "thread")

    def __init__(self, thread: int, deadline: float) -> None:
        self.thread, self.deadline = thread, deadline
        self.right = [True]
        self.raised = False

    def strike(self) -> None:
        """Raise in the thread, unless its task has ended."""
        try:
            self.right.pop()
        except IndexError:
            return
        _raise_in(self.thread, SoftTimeout)
        self.raised = True

    def end(self) -> None:
        """The task has ended: nothing may be raised from now on. It may be called again when it is interrupted."""
        try:
            self.right.pop()
        except IndexError:
            while not self.raised:
                time.sleep(0)
            _raise_in(self.thread, _NULL)  # what was raised may not have struck yet
            return


class Watcher:
    """The thread that looks when tasks have run for too long; it starts with the first of them."""

    def __init__(self) -> None:
        self._tickets: dict[int, Ticket] = {}  # the last of each thread
        self._news: SimpleQueue[None] = SimpleQueue()
        self._looks_at = math.inf
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def ticket(self, ms: int) -> Ticket:
        """A ticket for the calling thread's task."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    thread = essential(self._run, "soft timeouts")
                    thread.start()
                    self._thread = thread
        return Ticket(threading.get_ident(), time.monotonic() + ms / 1_000)

    def watch(self, ticket: Ticket) -> None:
        """From now on the ticket's task may be struck."""
        self._tickets[ticket.thread] = ticket
        if ticket.deadline < self._looks_at:
            self._news.put(None)

    def _run(self) -> None:
        while True:
            self._looks_at = math.inf  # whoever comes while we look makes us look again
            now = time.monotonic()
            ahead = math.inf
            for ticket in list(self._tickets.values()):
                if not ticket.right:
                    continue
                if ticket.deadline <= now:
                    ticket.strike()
                else:
                    ahead = min(ahead, ticket.deadline)
            self._looks_at = ahead
            with contextlib.suppress(Empty):
                self._news.get(timeout=None if ahead == math.inf else max(0.0, ahead - time.monotonic()))


WATCHER: Final = Watcher()


def in_thread(context: Context, run: Callable[[CurrentJob], Any], current: CurrentJob, ms: int) -> Any:
    """In any thread: an asynchronous exception, which strikes at the next instruction of Python's.

    A call that waits inside the operating system is not interrupted; the exception strikes when it returns.
    """
    kept: list[Any] = []
    task: Callable[[CurrentJob], Any] = partial(context.run, run)  # type: ignore[call-arg]  # the job comes later
    ticket = WATCHER.ticket(ms)
    try:
        try:
            WATCHER.watch(ticket)
            kept.extend(map(task, (current,)))
        finally:
            while True:
                try:
                    ticket.end()
                    break
                except SoftTimeout:
                    continue
    except SoftTimeout:
        if not kept:
            raise
    return kept[0]


async def awaited(run: Callable[[CurrentJob], Awaitable[Any]], current: CurrentJob, ms: int) -> Any:
    """In a coroutine: cancellation, as by `asyncio.timeout`; outside of the task it becomes `SoftTimeout`."""
    limit = asyncio.timeout(ms / 1_000)
    try:
        async with limit:
            return await run(current)
    except TimeoutError as error:
        if limit.expired():
            raise soft_timeout(ms) from error
        raise


def soft_timeout(ms: int) -> SoftTimeout:
    """The error that says how long the task had."""
    return SoftTimeout(f"the attempt ran longer than its soft_timeout of {spell_ms(ms)}")
