"""What goes wrong around a worker, apart from jobs."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


class WorkerError(HeijunkaError):
    """A worker has a problem."""


class NotInJob(WorkerError):
    """No job is running here."""


class MaxWorkersReached(WorkerError):
    """The pool may not have more workers."""

    domain: str
    limit: int


class MinWorkersReached(WorkerError):
    """The pool may not have fewer workers."""

    domain: str
    limit: int
