"""A task, prepared for running: everything an attempt needs, looked up once per process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from heijunka.app import AsyncTask, Heijunka, load_app
from heijunka.app.context import CurrentJob
from heijunka.app.enqueueable import BaseTask
from heijunka.app.middleware import awrapped, wrapped
from heijunka.app.signature import Signature
from heijunka.clock import spell_ms
from heijunka.errors import DefinitionError, Steer


class Runnable(msgspec.Struct, frozen=True):
    """One task, ready to run.

    Attributes:
        run: runs one attempt in the task's middleware; a coroutine function when `is_async`.
        is_async: whether it must be awaited.
        signature: decodes arguments, encodes results.
        domain: of the task.
        timeout_ms: how long an attempt may run; 0 for as long as it likes.
        soft_timeout_ms: after which `SoftTimeout` is raised in it; 0 for never.
        attempts: how often a job is tried at most.
        retry_base_ms: bound of the first pause.
        retry_cap_ms: longest bound.
        keep_result_ms: how long results are kept; 0 for not at all.
        max_result: the most bytes that an encoded result may take.
        final: exceptions that are not retried.
        number: its place among the application's tasks, from 1, by which the board names it.
        on_expire: what becomes of a job whose deadline passed: "dead" or "drop".
    """

    run: Callable[[CurrentJob], Any]
    is_async: bool
    signature: Signature
    domain: str
    timeout_ms: int
    soft_timeout_ms: int
    attempts: int
    retry_base_ms: int
    retry_cap_ms: int
    keep_result_ms: int
    max_result: int
    final: tuple[type[BaseException], ...]
    on_expire: str = "dead"
    number: int = 0


def prepared_app(path: str) -> Heijunka:
    """The application at `path`, with what is wrong in its tasks found now, once, and not in every worker.

    Raises:
        AppNotFound: there is no such application.
        DefinitionError: a task's annotations cannot be resolved or decoded, or its soft timeout is not below
            its timeout.
        Exception: whatever the module itself raises when it is imported.
    """
    app = load_app(path)
    for task in app.tasks.values():
        task.signature.prepare()
        _soft_timeout_ms(app, task)
    return app


def runnables(app: Heijunka) -> dict[str, Runnable]:
    """The application's tasks by name.

    Raises:
        DefinitionError: a task's annotations cannot be resolved or decoded.
    """
    return {name: _runnable(app, task, number) for number, (name, task) in enumerate(app.tasks.items(), 1)}


def _runnable(app: Heijunka, task: BaseTask[Any, Any], number: int) -> Runnable:
    task.signature.prepare()
    asked, settings = task.task_options, app.settings
    is_async = isinstance(task, AsyncTask)
    around = app.attempt_middleware
    return Runnable(
        run=awrapped(task.function, around) if is_async else wrapped(task.function, around),
        is_async=is_async,
        signature=task.signature,
        domain=asked.domain,
        timeout_ms=_first(asked.timeout_ms, settings.timeout_ms),
        soft_timeout_ms=_soft_timeout_ms(app, task),
        attempts=_first(asked.attempts, settings.attempts),
        retry_base_ms=_first(asked.retry_base_ms, settings.retry_base_ms),
        retry_cap_ms=_first(asked.retry_cap_ms, settings.retry_cap_ms),
        keep_result_ms=_first(asked.keep_result_ms, settings.keep_result_ms),
        max_result=settings.max_result,
        final=tuple(kind for kind in asked.no_retry_on if not issubclass(kind, Steer)),
        on_expire=asked.on_expire,
        number=number,
    )


def _soft_timeout_ms(app: Heijunka, task: BaseTask[Any, Any]) -> int:
    """After how long `SoftTimeout` is raised in a task; 0 for never. A task's own timeout may be below the setting."""
    asked, settings = task.task_options, app.settings
    soft_ms = _first(asked.soft_timeout_ms, settings.soft_timeout_ms)
    timeout_ms = _first(asked.timeout_ms, settings.timeout_ms)
    if soft_ms < timeout_ms or timeout_ms == 0:
        return soft_ms
    if asked.soft_timeout_ms is None and asked.timeout_ms is not None:
        return 0
    raise DefinitionError(
        f"soft_timeout of {task.name} ({spell_ms(soft_ms)}) would never come: its timeout is {spell_ms(timeout_ms)}",
        hint="make the soft_timeout shorter than the timeout, or the timeout longer",
    )


def _first(asked: int | None, otherwise: int) -> int:
    return otherwise if asked is None else asked
