"""Hand the demo's jobs in, and collect how they ended; both as any application would.

Jobs are enqueued with `enqueue_many`, and their results are awaited with `aresult`: nothing here knows more
than a user of the library does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from heijunka import Job, JobFailed, ResultTimeout
from heijunka.app.enqueueable import Enqueueable
from heijunka_cli.demo.app import Report, notify, pack, seal, weigh
from heijunka_cli.demo.books import Ended
from heijunka_cli.demo.plan import BURST_AT_S, DELAY, LOST, Order, Plan

_AT_ONCE: Final = 1_000

Handed = tuple[Order, Job[Any]]


class Desk:
    """Where jobs are handed in.

    Parameters:
        plan: which.
        port: of the customers' web server.

    Attributes:
        plan: which jobs.
        handed: what was handed in so far.
    """

    def __init__(self, plan: Plan, port: int) -> None:
        self.plan, self._port = plan, port
        self._reminder = notify.options(delay=DELAY)
        self._flowed = 0
        self._burst = False
        self.handed: list[Handed] = []

    @property
    def is_done(self) -> bool:
        """Whether all of the plan was handed in."""
        return len(self.handed) == self.plan.total

    def hand_in(self, elapsed_s: float) -> tuple[str, ...]:
        """Enqueue what is due.

        Parameters:
            elapsed_s: since the beginning.

        Returns:
            What there is to tell.
        """
        due = self.plan.due(elapsed_s)
        self._enqueue(self.plan.flow[self._flowed : due])
        self._flowed = due
        if self._burst or elapsed_s < BURST_AT_S:
            return ()
        self._burst = True
        began = time.monotonic()
        self._enqueue(self.plan.burst)
        took_ms = (time.monotonic() - began) * 1_000
        return (f"burst: {len(self.plan.burst):,} jobs enqueued in {took_ms:.0f} ms",)

    def _enqueue(self, orders: Sequence[Order]) -> None:
        for _, group in groupby(sorted(orders, key=_kind), key=_kind):
            alike = list(group)
            task = self._task(alike[0])
            jobs = task.enqueue_many([self._arguments(order) for order in alike])
            self.handed += zip(alike, jobs, strict=True)

    def _task(self, order: Order) -> Enqueueable[..., Any]:
        if order.delayed:
            return self._reminder
        tasks: dict[str, Enqueueable[..., Any]] = {"seal": seal, "pack": pack, "weigh": weigh, "notify": notify}
        return tasks[order.task]

    def _arguments(self, order: Order) -> tuple[Any, ...]:
        path = LOST if order.source is None else order.source.path
        return (self._port, order.customer, path) if order.customer else (path,)


def _kind(order: Order) -> tuple[str, bool]:
    return order.task, order.delayed


async def collected(handed: Sequence[Handed], *, within_s: float) -> list[Ended]:
    """How every job ended.

    Parameters:
        handed: orders, and the jobs they became.
        within_s: how long to wait for a result that is not there, in seconds.
    """
    ends: list[Ended] = []
    for at in range(0, len(handed), _AT_ONCE):
        ends += await asyncio.gather(*(_ended(order, job, within_s) for order, job in handed[at : at + _AT_ONCE]))
    return ends


async def _ended(order: Order, job: Job[Report], within_s: float) -> Ended:
    try:
        return Ended(job.id, order, await job.aresult(within_s))
    except ResultTimeout:
        return Ended(job.id, order)
    except JobFailed:
        failure = (await job.astatus()).failure
        return Ended(job.id, order, failed_at=failure.attempt if failure is not None else None)
