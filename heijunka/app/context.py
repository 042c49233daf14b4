"""The job that is running here.

One object serves the pipeline of an attempt, its middleware and the task itself; a context variable
makes it known to code that is called far below the task, in threads and coroutines alike.
"""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import msgspec

from heijunka import wire
from heijunka.clock import moment
from heijunka.commands.pull import Entry
from heijunka.errors import NotInJob
from heijunka.keys import Priority


class CurrentJob(msgspec.Struct, eq=False):
    """One attempt of one job, as its own code sees it; `current_job()` and middleware get it.

    Attributes:
        domain: the task's domain.
        priority: "high", "normal" or "low".
        attempts: how often the job is tried at most.
        deliveries: how often a worker died while running it.
        worker: the id of the worker that runs it.
        args: positional arguments, decoded.
        kwargs: keyword arguments, decoded.
        was_told: whether its task was told that the job is cancelled; see `cancelled`.

    Example:
        >>> @app.task
        ... def charge(order: str) -> None:
        ...     job = current_job()
        ...     print(f"{job.id}: attempt {job.attempt} of {job.attempts}")
    """

    _job: wire.Job
    domain: str
    priority: Priority
    attempts: int
    deliveries: int
    worker: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    _entry: Entry | None = None
    _cancels: Collection[tuple[int, bytes]] = ()
    _extra: dict[str, Any] | None = None
    was_told: bool = False

    @property
    def id(self) -> str:
        """The job's id; the same for all its attempts, so it serves as an idempotency key."""
        return wire.id_text(self._job.id)

    @property
    def task(self) -> str:
        """The task's name."""
        return self._job.task

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._job.attempt

    @property
    def enqueued_at(self) -> datetime:
        """When the job was created, by its producer's clock."""
        return moment(wire.id_ms(self._job.id))

    @property
    def deadline(self) -> datetime | None:
        """The moment after which the job must not start any more."""
        return None if self._job.deadline_ms is None else moment(self._job.deadline_ms)

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled the job. A task that runs for long asks now and then, and returns if so.

        A job whose task was told here ends as cancelled, whatever it returns.

        Example:
            >>> for row in rows:  # doctest: +SKIP
            ...     if current_job().cancelled:
            ...         return
        """
        entry = self._entry
        if self._cancels and entry is not None and (entry.source, entry.id) in self._cancels:
            self.was_told = True
        return self.was_told

    @property
    def errors(self) -> tuple[wire.FailedAttempt, ...]:
        """Its last ten attempts that failed, the oldest first.

        Those before a retry from the dead letters are among them; attempts that a worker's death cut short are not.
        """
        return self._job.errors

    @property
    def extra(self) -> dict[str, Any]:
        """A dict of this attempt's own, for middleware."""
        if self._extra is None:
            self._extra = {}
        return self._extra

    def __repr__(self) -> str:
        return f"<CurrentJob {self.task} {self.id} attempt {self.attempt}/{self.attempts}>"


CURRENT: ContextVar[CurrentJob] = ContextVar("heijunka_current_job")


def current_job() -> CurrentJob:
    """The job that is running here, also in what a task calls, in threads and coroutines alike.

    Returns:
        It, with its id, its attempt and its arguments.

    Raises:
        NotInJob: this code was not called by a task that a worker runs.

    Example:
        >>> @task
        ... def charge(order: str) -> None:
        ...     pay(order, idempotency_key=current_job().id)
    """
    try:
        return CURRENT.get()
    except LookupError:
        raise NotInJob(hint="call it from a task, while a worker runs it") from None
