"""Heijunka: a Redis-backed task queue that levels load.

Names are imported when they are first used, so that `import heijunka` and the command line's help cost
next to nothing.

Example:
    >>> from heijunka import Heijunka
    >>> app = Heijunka("shop")
    >>> @app.task(domain="payment")
    ... def charge(order: str, cents: int) -> str:
    ...     return f"{order}: {cents}"
    >>> charge.enqueue("A1", 99).result(timeout=5)  # doctest: +SKIP
    'A1: 99'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from heijunka._version import __version__

if TYPE_CHECKING:
    from heijunka.app import CurrentJob, Heijunka, Job, Outgoing, current_job, task
    from heijunka.errors import (
        HeijunkaError,
        JobCancelled,
        JobFailed,
        Reject,
        ResultTimeout,
        Retry,
        Snooze,
        SoftTimeout,
    )

__all__ = [
    "CurrentJob",
    "Heijunka",
    "HeijunkaError",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Outgoing",
    "Reject",
    "ResultTimeout",
    "Retry",
    "Snooze",
    "SoftTimeout",
    "__version__",
    "current_job",
    "task",
]

_ERRORS = {"HeijunkaError", "JobCancelled", "JobFailed", "Reject", "ResultTimeout", "Retry", "Snooze", "SoftTimeout"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'heijunka' has no attribute {name!r}")
    home = import_module("heijunka.errors" if name in _ERRORS else "heijunka.app")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
