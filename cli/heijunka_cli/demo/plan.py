"""What the demo is going to enqueue, and when: decided before it begins, so that it can be checked afterwards."""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import click
import msgspec

from heijunka_cli.demo.web import BUSY

TaskName = Literal["seal", "pack", "weigh", "notify"]

DOMAINS: Final = ("payment", "delivery", "notification")
DOMAIN_OF: Final[dict[TaskName, str]] = {
    "seal": "payment", "pack": "delivery", "weigh": "delivery", "notify": "notification",
}  # fmt: skip

LOST: Final = "lost-parcel.py"
"""A file that is not there."""

BUSY_CUSTOMERS: Final = 12
DELAY: Final = "2s"
"""How much later a reminder is due."""

FLOW_S: Final = 6.0
"""The steady half of the jobs is spread over so many seconds."""
BURST_AT_S: Final = 3.0
"""When the other half comes, all at once."""


_SIZES: Final = range(1_000, 32_000)
_NOT_THE_LIBRARY: Final = {"site-packages", "dist-packages", "test", "tests", "__pycache__"}

_MIX: Final[tuple[TaskName, ...]] = (
    "seal", "notify", "pack", "seal", "notify", "weigh", "seal", "notify", "pack", "seal",
    "notify", "pack", "seal", "notify", "pack", "weigh", "seal", "notify", "pack", "seal",
)  # fmt: skip
_REMIND_EVERY: Final = 10


class Source(msgspec.Struct, frozen=True):
    """A source file of the standard library, and what there is to know about it.

    Attributes:
        path: absolute.
        size: bytes.
        sha256: of its content.
    """

    path: str
    size: int
    sha256: str


class Order(msgspec.Struct, frozen=True):
    """One job to enqueue.

    Attributes:
        task: its task's name.
        source: the file it is about; None for the one that is not there.
        customer: who gets a notice, or "".
        delayed: whether it is due only later.
    """

    task: TaskName
    source: Source | None
    customer: str = ""
    delayed: bool = False

    @property
    def domain(self) -> str:
        """Of its task."""
        return DOMAIN_OF[self.task]


class Plan(msgspec.Struct, frozen=True):
    """What is enqueued.

    Attributes:
        flow: evenly spread over `FLOW_S` seconds.
        burst: all at once, `BURST_AT_S` seconds after the beginning.
    """

    flow: tuple[Order, ...]
    burst: tuple[Order, ...]

    @property
    def total(self) -> int:
        """How many jobs."""
        return len(self.flow) + len(self.burst)

    def due(self, elapsed_s: float) -> int:
        """How many jobs of the flow are to be enqueued by then.

        Parameters:
            elapsed_s: since the beginning.
        """
        return min(len(self.flow), int(len(self.flow) * elapsed_s / FLOW_S) + 1)


def planned(jobs: int, sources: Sequence[Source]) -> Plan:
    """A plan of exactly so many jobs.

    Parameters:
        jobs: 100 at least.
        sources: files to work on, used in turn.

    Example:
        >>> plan = planned(100, [Source("a.py", 1, ""), Source("b.py", 1, "")])
        >>> len(plan.flow), len(plan.burst), plan.flow[0]
        (50, 50, Order(task='pack', source=None, customer='', delayed=False))
    """
    orders = list(_orders(jobs, sources))
    half = jobs // 2
    return Plan(tuple(orders[:half]), tuple(orders[half:]))


def _orders(jobs: int, sources: Sequence[Source]) -> Iterator[Order]:
    yield Order("pack", None)
    busy = notices = 0
    for number in range(1, jobs):
        # The mix and the files must not keep step, or a task would see only some of them.
        task, source = _MIX[number % len(_MIX)], sources[number // len(_MIX) % len(sources)]
        if task != "notify":
            yield Order(task, source)
        elif busy < BUSY_CUSTOMERS:
            busy += 1
            yield Order(task, source, customer=f"{BUSY}-{busy}")
        else:
            notices += 1
            yield Order(task, source, customer=f"customer-{notices}", delayed=notices % _REMIND_EVERY == 0)


def standard_library() -> list[Source]:
    """Source files of the running Python's standard library, neither tiny nor huge, by path.

    Raises:
        ClickException: this Python comes without them.
    """
    found = []
    top = sysconfig.get_path("stdlib")
    for directory, inner, names in os.walk(top):
        inner[:] = sorted(set(inner) - _NOT_THE_LIBRARY)
        for name in sorted(names):
            path = Path(directory, name)
            if path.suffix == ".py" and path.is_file() and path.stat().st_size in _SIZES:
                content = path.read_bytes()
                found.append(Source(str(path), len(content), hashlib.sha256(content).hexdigest()))
    if not found:
        raise click.ClickException(f"there are no source files of Python's standard library in {top}")
    return found
