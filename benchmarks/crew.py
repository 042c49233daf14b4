"""Worker processes that are watched while they empty a queue."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from benchmarks.figures import Point, pace
from benchmarks.site import Site
from heijunka.app import Enqueueable
from heijunka.worker.board import Board

LOOK_EVERY_S = 0.005
CHUNK = 100_000


class Told(msgspec.Struct, frozen=True):
    """What a worker process tells of itself when it ends.

    Attributes:
        seconds: how long it ran, from its first line to its last.
        cpu_s: CPU seconds it used.
    """

    seconds: float
    cpu_s: float


class Run(msgspec.Struct, frozen=True):
    """How one worker process emptied a queue.

    Attributes:
        jobs: how many.
        told: what it told.
        server_cpu_s: CPU seconds that the server used meanwhile.
        points: looks at it.
    """

    jobs: int
    told: Told
    server_cpu_s: float
    points: list[Point]

    @property
    def rate(self) -> float:
        """Jobs/s, starting and stopping included."""
        return self.jobs / self.told.seconds


def queue(task: Enqueueable[Any, Any], jobs: int) -> None:
    """Enqueue so many jobs."""
    for first in range(0, jobs, CHUNK):
        task.enqueue_many([(number,) for number in range(first, min(jobs, first + CHUNK))])


def emptied(site: Site, task: Enqueueable[Any, Any], jobs: int, slots: int) -> Run:
    """Queue jobs and let one worker process, that nobody supervises, run them all."""
    site.clear()
    queue(task, jobs)
    before = site.cpu_s()
    board, process = started(site, task.task_options.domain, slots, burst=True)
    points = watched(board, process, jobs)
    told, _ = process.communicate()
    board.close()
    if process.returncode:
        raise RuntimeError(f"the worker ended with {process.returncode}")
    _all_done(site, task, jobs)
    return Run(jobs, msgspec.json.decode(told, type=Told), site.cpu_s() - before, points)


def looked(board: Board, process: subprocess.Popen[str], before: int = 0) -> Point:
    """One look at a worker process; it has run so many jobs more than `before`."""
    resident_mib = _resident_mib(Path(f"/proc/{process.pid}/statm"))
    return Point(time.perf_counter(), board.ended - before, resident_mib)


def watched(board: Board, process: subprocess.Popen[str], jobs: int, before: int = 0) -> list[Point]:
    """Look at a worker process until it has run so many jobs more than `before`."""
    points: list[Point] = []
    while not points or points[-1].ended < jobs:
        alive = process.poll() is None
        points.append(looked(board, process, before))
        if not alive and points[-1].ended < jobs:
            raise RuntimeError(f"the worker ended with {process.returncode} after {points[-1].ended} of {jobs} jobs")
        time.sleep(LOOK_EVERY_S)
    return points


def started(site: Site, domain: str, slots: int, *, burst: bool) -> tuple[Board, subprocess.Popen[str]]:
    """A worker process and its board; told to `burst` it ends when its domain is empty."""
    path = site.folder / uuid4().hex
    board = Board.create(str(path), slots)
    arguments = json.dumps({"domain": domain, "slots": slots, "board": str(path), "burst": burst})
    return board, site.python("-m", "benchmarks.worker", arguments, stdout=subprocess.PIPE)


@contextlib.contextmanager
def kept_waiting(process: subprocess.Popen[str]) -> Iterator[None]:
    """Let a worker pull nothing meanwhile."""
    process.send_signal(signal.SIGTSTP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def supervised(site: Site, task: Enqueueable[Any, Any], jobs: int, processes: int) -> float:
    """Queue jobs and let a supervisor's workers run them; jobs/s between the first and the last tenth."""
    site.clear()
    queue(task, jobs)
    domain, points = task.task_options.domain, []
    supervisor = site.python("-m", "benchmarks.supervisor", domain, str(processes))
    while supervisor.poll() is None:
        points.append(Point(time.perf_counter(), site.depths(domain).counted("ack", "done")))
        time.sleep(4 * LOOK_EVERY_S)
    points.append(Point(time.perf_counter(), site.depths(domain).counted("ack", "done")))
    if supervisor.returncode:
        raise RuntimeError(f"the supervisor ended with {supervisor.returncode}")
    _all_done(site, task, jobs)
    return pace(points, 0.1, 0.9)


def _all_done(site: Site, task: Enqueueable[Any, Any], jobs: int) -> None:
    left = site.depths(task.task_options.domain)
    if left.load or left.counted("ack", "done") != jobs:
        raise RuntimeError(f"{jobs} jobs were queued, and {left} is left")


def _resident_mib(statm: Path) -> float:
    try:
        pages = int(statm.read_text().split()[1])
    except (OSError, IndexError):  # it has ended, or this system has no such file
        return 0.0
    return pages * resource.getpagesize() / 2**20
