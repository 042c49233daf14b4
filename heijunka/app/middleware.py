"""Middleware: an onion of context managers.

A middleware is a function that gets the call (or the attempt) and returns a context manager around it.
Context managers have no colour, so one middleware serves `enqueue` and `aenqueue`, and every executor;
an async context manager is possible around attempts of `async def` tasks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeVar

from heijunka.app.context import CurrentJob
from heijunka.app.outgoing import Outgoing
from heijunka.errors import DefinitionError

R = TypeVar("R")

AroundEnqueue = Callable[[Sequence[Outgoing]], AbstractContextManager[Any]]
"""Gets the jobs that are about to be enqueued; entered before Redis hears of them, left after it accepted them."""

AroundAttempt = Callable[[CurrentJob], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]
"""Gets the attempt; entered before the task's function is called, left after it returned or raised."""


def wrapped(function: Callable[..., R], around: Sequence[AroundAttempt]) -> Callable[[CurrentJob], R]:
    """A task's function in its middleware, the first one outermost.

    Parameters:
        function: the task's function.
        around: the middleware.

    Returns:
        What runs one attempt.
    """
    if not around:
        return lambda job: function(*job.args, **job.kwargs)

    def run(job: CurrentJob) -> R:
        with contextlib.ExitStack() as stack:
            for middleware in around:
                manager = middleware(job)
                if not isinstance(manager, AbstractContextManager):
                    raise DefinitionError(
                        f"middleware {_named(middleware)} is async, and {job.task} is not",
                        hint="make it a plain context manager, or the task `async def`",
                    )
                stack.enter_context(manager)
            return function(*job.args, **job.kwargs)
        raise DefinitionError(f"middleware around {job.task} swallowed an exception", hint="let it through")

    return run


def awrapped(
    function: Callable[..., Awaitable[R]], around: Sequence[AroundAttempt]
) -> Callable[[CurrentJob], Awaitable[R]]:
    """A coroutine task's function in its middleware, the first one outermost."""
    if not around:
        return lambda job: function(*job.args, **job.kwargs)

    async def run(job: CurrentJob) -> R:
        async with contextlib.AsyncExitStack() as stack:
            for middleware in around:
                manager = middleware(job)
                if isinstance(manager, AbstractAsyncContextManager):
                    await stack.enter_async_context(manager)
                else:
                    stack.enter_context(manager)
            return await function(*job.args, **job.kwargs)
        raise DefinitionError(f"middleware around {job.task} swallowed an exception", hint="let it through")

    return run


def _named(middleware: Callable[..., Any]) -> str:
    return getattr(middleware, "__qualname__", repr(middleware))
