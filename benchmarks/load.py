"""The application that is measured: tasks that do nothing."""

from __future__ import annotations

import time

from heijunka import Heijunka

app = Heijunka("bench")


@app.task(domain="inline", keep_result=None)
def noop(number: int) -> None: ...


@app.task(domain="kept")
def kept(number: int) -> int:
    return number


@app.task(domain="loop", keep_result=None)
async def anoop(number: int) -> None: ...


@app.task(domain="latency")
def stamp(sent_ns: int) -> int:
    """Nanoseconds from the call of `enqueue` to here; the monotonic clock is the same in every process."""
    return time.monotonic_ns() - sent_ns


@app.task(domain="naps", keep_result=None)
def nap(ms: int) -> None:
    time.sleep(ms / 1_000)
