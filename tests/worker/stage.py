"""An application whose tasks are cancelled and run for too long; they say what happens by files in `STAGE`.

Those of domain "sync" run in the main thread or in threads, those of "loop" on an event loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextvars import ContextVar
from pathlib import Path

from heijunka import CurrentJob, Heijunka, Reject, SoftTimeout, current_job
from heijunka.worker.settler import Settler

app = Heijunka("stage", timeout="10m")

LONG_S = 1_000


def note(what: str) -> None:
    """Say something, once more each time."""
    with (Path(os.environ["STAGE"]) / what).open("a") as file:
        file.write(".")


def said(what: str) -> bool:
    """Whether somebody said it."""
    return (Path(os.environ["STAGE"]) / what).exists()


def until_cancelled() -> CurrentJob:
    """Wait for it, as a task does that asks now and then."""
    job = current_job()
    while not job.cancelled:
        time.sleep(0.005)
    return job


@app.task(domain="sync")
def heed(name: str) -> str:
    (Path(os.environ["STAGE"]) / f"{name}-pid").write_text(str(os.getpid()))
    note(f"{name}-runs")
    until_cancelled()
    note(f"{name}-told")
    return "what it had by then"


@app.task(domain="sync")
def ignore(name: str) -> None:
    note(f"{name}-runs")
    while True:
        time.sleep(0.005)


@app.task(domain="sync", attempts=3, retry_base="1ms", retry_cap="1ms")
def fail(name: str) -> None:
    note(f"{name}-runs")
    until_cancelled()
    raise ValueError("half done")


@app.task(domain="sync")
def unasked(name: str) -> str:
    note(f"{name}-runs")
    while not said(f"{name}-go"):
        time.sleep(0.005)
    return f"deliveries {current_job().deliveries}"


@app.task(domain="loop")
async def sleep(name: str) -> None:
    note(f"{name}-runs")
    try:
        await asyncio.sleep(LONG_S)
    finally:
        await asyncio.sleep(0)
        note(f"{name}-told")


@app.task(domain="loop")
async def stay(name: str) -> None:
    note(f"{name}-runs")
    while True:
        try:
            await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            note(f"{name}-told")


@app.task(domain="loop")
def heed_by_the_loop(name: str) -> None:
    note(f"{name}-runs")
    until_cancelled()
    note(f"{name}-told")


HOARD: list[bytes] = []


@app.task(domain="sync")
def swell(mib: int) -> int:
    HOARD.append(bytes(range(256)) * 4096 * mib)
    return os.getpid()


@app.task(domain="sync")
def where_sync() -> int:
    return os.getpid()


@app.task(domain="loop")
async def where_loop() -> int:
    return os.getpid()


def spin() -> None:
    while not current_job().cancelled:
        time.sleep(0.001)


def tidy() -> str:
    try:
        spin()
    except SoftTimeout as late:
        return str(late)
    return "never"


def second_time() -> int:
    if current_job().attempt == 1:
        spin()
    return current_job().attempt


ONCE = {"attempts": 1, "soft_timeout": "50ms"}
TWICE = {"attempts": 2, "retry_base": "1ms", "retry_cap": "1ms", "soft_timeout": "50ms"}

spin_sync = app.task(name="spin_sync", domain="sync", **ONCE)(spin)  # type: ignore[call-overload]
spin_loop = app.task(name="spin_loop", domain="loop", **ONCE)(spin)  # type: ignore[call-overload]
tidy_sync = app.task(name="tidy_sync", domain="sync", **ONCE)(tidy)  # type: ignore[call-overload]
tidy_loop = app.task(name="tidy_loop", domain="loop", **ONCE)(tidy)  # type: ignore[call-overload]
again_sync = app.task(name="again_sync", domain="sync", **TWICE)(second_time)  # type: ignore[call-overload]
again_loop = app.task(name="again_loop", domain="loop", **TWICE)(second_time)  # type: ignore[call-overload]


@app.task(domain="loop", attempts=1, soft_timeout="50ms")
async def aspin() -> None:
    await asyncio.sleep(LONG_S)


@app.task(domain="loop", attempts=1, soft_timeout="50ms")
async def atidy() -> str:
    try:
        await asyncio.sleep(LONG_S)
    except asyncio.CancelledError:
        return "tidied"
    return "never"


@app.task(domain="loop", attempts=1, soft_timeout="5m")
async def own_timeout() -> None:
    raise TimeoutError("of another kind")


@app.task(domain="sync", soft_timeout="5m")
def quick() -> str:
    return "in time"


LEFT: ContextVar[str] = ContextVar("LEFT", default="nothing")


def leave() -> str:
    found = LEFT.get()
    LEFT.set(f"something of {current_job().id}")
    return found


leave_sync = app.task(name="leave_sync", domain="sync")(leave)
leave_loop = app.task(name="leave_loop", domain="loop")(leave)


@app.task(domain="loop")
async def aleave() -> str:
    found = leave()
    await asyncio.sleep(0)
    return found


@app.task(domain="sync")
def crowd(name: str, *, kills: bool = False) -> int:
    """How many run in this process at most while it does; the first time it may kill all of them."""
    folder, mine = Path(os.environ["STAGE"]), f"in-{os.getpid()}-"
    here = folder / f"{mine}{name}"
    here.touch()
    if kills and current_job().deliveries == 0:
        while len(list(folder.glob(f"{mine}*"))) < 2:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGKILL)
    most = 0
    for _ in range(20):
        most = max(most, len(list(folder.glob(f"{mine}*"))))
        time.sleep(0.005)
    here.unlink()
    return most


@app.task(domain="sync")
def spoil(name: str) -> int:
    """The first time it leaves its worker without a settler."""
    note(f"{name}-runs")
    if len((Path(os.environ["STAGE"]) / f"{name}-runs").read_text()) == 1:
        Settler._tell = None  # type: ignore[assignment,method-assign]  # that is the point
    return current_job().deliveries


@app.task(domain="sync", attempts=1)
def frail(name: str) -> str:
    note(f"{name}-runs")
    if not said("mended"):
        raise ConnectionError("the bank is down")
    return name


@app.task(domain="loop", attempts=1)
async def afrail(name: str) -> str:
    note(f"{name}-runs")
    if not said("mended"):
        raise ConnectionError("the bank is down")
    return name


@app.task(domain="sync", attempts=1)
def picky(name: str) -> None:
    raise Reject(name)
