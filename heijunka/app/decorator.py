"""What makes functions tasks, and refuses what can be none where it is written.

Where a function was defined decides whether a second definition of one name is the first one again (a reloaded
module, a notebook's cell) or another task.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from heijunka.app.enqueueable import AsyncTask, BaseTask, Task
from heijunka.app.options import TaskKeywords, task_name, task_options
from heijunka.errors import DefinitionError

if TYPE_CHECKING:
    from heijunka.app.application import Heijunka

P = ParamSpec("P")
R = TypeVar("R")


class TaskDecorator:
    """Makes functions tasks of one application, with one set of options.

    Parameters:
        app: the application.
        options: what was written behind `@task`.

    Raises:
        InvalidName: the domain has other characters than `a-z 0-9 _ . -`.
        InvalidOption: a value is out of its range, or there is no such option.
    """

    def __init__(self, app: Heijunka, options: TaskKeywords) -> None:
        self._app = app
        self._name = options.get("name")
        self._options = task_options(**options)

    @overload
    def __call__(  # type: ignore[overload-overlap]  # the first that fits wins, and a coroutine's is meant to
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Make `function` a task.

        Raises:
            DefinitionError: it is a generator, or no function.
            DuplicateTask: another function's task has this name.
            InvalidName: a task cannot have this name.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(
                f"{place_of(function)} is a generator", hint="a task returns once; enqueue a job per item"
            )
        if not inspect.isfunction(function):
            raise DefinitionError(f"{function!r} is not a function", hint="decorate a def or async def")
        kind = AsyncTask if inspect.iscoroutinefunction(function) else Task
        task: BaseTask[Any, Any] = kind(
            self._app, task_name(function.__name__ if self._name is None else self._name), function, self._options
        )
        self._app.register(task)
        return task


def place_of(function: Callable[..., Any]) -> str:
    """Where a function is written, for people."""
    code = function.__code__
    return f"{function.__module__}.{function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"


def same_place(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether the same function was defined twice."""
    if one.__qualname__ != other.__qualname__:
        return False
    if one.__module__ == other.__module__ == "__main__" and not inspect.getmodule(one).__dict__.get("__file__"):
        return True  # a notebook or a prompt
    one_code, other_code = one.__code__, other.__code__
    return (one_code.co_filename, one_code.co_firstlineno) == (other_code.co_filename, other_code.co_firstlineno)
