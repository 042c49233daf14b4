"""The application that is broken on purpose: well-behaved tasks, and tasks that do their worst.

Every task gets the number of the operation that enqueued it and keeps the ledger. Workers load `app`; a
test makes a `Shop` of its own to enqueue through whatever way to Redis it wants to break.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from heijunka import Heijunka, current_job
from tests.faults.ledger import FAILED, STARTED, Ledger

LEDGER: Final = "HEIJUNKA_TEST_LEDGER"
"""Names the ledger file in the environment of workers."""


@functools.cache
def _ledger() -> Ledger:
    return Ledger(Path(os.environ[LEDGER]))


def work(op: int, ms: int = 0) -> None:
    """Take so long."""
    job = current_job()
    with _ledger().attempt(op, job.attempt, job.deliveries, job.id):
        time.sleep(ms / 1_000)


def once(op: int, ms: int) -> None:
    """Take so long the first time, and no time at all when it is run again."""
    job = current_job()
    again = bool(_ledger().of(STARTED, op))
    with _ledger().attempt(op, job.attempt, job.deliveries, job.id):
        time.sleep(0 if again else ms / 1_000)


async def awork(op: int, ms: int = 0) -> None:
    """Take so long, on an event loop."""
    job = current_job()
    with _ledger().attempt(op, job.attempt, job.deliveries, job.id):
        await asyncio.sleep(ms / 1_000)


def fail(op: int, times: int) -> None:
    """Raise in the first attempts."""
    job = current_job()
    with _ledger().attempt(op, job.attempt, job.deliveries, job.id):
        if job.attempt <= times:
            _ledger().note(FAILED, op, job.attempt, job.deliveries, job.id)
            raise RuntimeError(f"attempt {job.attempt} fails as it should")


def segfault(op: int) -> None:
    """Crash the process every time."""
    job = current_job()
    _ledger().note(STARTED, op, job.attempt, job.deliveries, job.id)
    ctypes.string_at(0)


def hold_gil(op: int, seconds: int) -> None:
    """Stay in C code that never lets Python run, and do not heed TERM."""
    job = current_job()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # one would end the sleep
    _ledger().note(STARTED, op, job.attempt, job.deliveries, job.id)
    ctypes.PyDLL(None).sleep(seconds)


def exit_now(op: int) -> None:
    """End the process every time, without a word."""
    job = current_job()
    _ledger().note(STARTED, op, job.attempt, job.deliveries, job.id)
    os._exit(3)


def hoard(op: int, ms: int) -> None:
    """Leave the process no file descriptor for so long."""
    job = current_job()
    with _ledger().attempt(op, job.attempt, job.deliveries, job.id):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
        taken = []
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        time.sleep(ms / 1_000)
        for fd in taken:
            os.close(fd)


def count(op: int, to: int) -> None:
    """Count in one call of C, which lets nobody else run Python and looks for no signals."""
    job = current_job()
    with _ledger().attempt(op, job.attempt, job.deliveries, job.id):
        sum(range(to))


def family(op: int, ms: int) -> None:
    """Leave children behind that would live for an hour."""
    job = current_job()
    with _ledger().attempt(op, job.attempt, job.deliveries, job.id):
        for apart in (False, True):
            subprocess.Popen(["sleep", "3600"], start_new_session=apart)  # noqa: S607 - whichever sleep there is
        time.sleep(ms / 1_000)


class Shop:
    """The tasks, declared in one application.

    Parameters:
        app: a new application.
    """

    def __init__(self, app: Heijunka) -> None:
        self.app = app
        plain = app.task(domain="payment", keep_result=None, retry_base="10ms", retry_cap="20ms")
        self.work = plain(work)
        self.once = plain(once)
        self.fail = plain(fail)
        self.segfault = plain(segfault)
        self.exit_now = plain(exit_now)
        self.hoard = plain(hoard)
        self.count = plain(count)
        self.family = plain(family)
        self.hold_gil = app.task(domain="payment", keep_result=None, timeout="1s", attempts=1)(hold_gil)
        self.kept = app.task(name="kept", domain="payment", keep_result="1m")(work)
        self.awork = app.task(domain="courier", keep_result=None)(awork)


class NewerShop(Shop):
    """The next version: it knows one task more.

    Parameters:
        app: a new application, or one that is a `Shop` already.
    """

    def __init__(self, app: Heijunka) -> None:
        if not app.tasks:
            super().__init__(app)
        self.future = app.task(name="future", domain="payment", keep_result=None)(work)


newer: Final = NewerShop(Heijunka("faults")).app
app: Final = Shop(Heijunka("faults")).app
