"""The application: its tasks, its settings, and the way to Redis."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, Unpack, overload

from heijunka import commands
from heijunka.app.connections import Connections
from heijunka.app.enqueueable import AsyncTask, BaseTask, Task
from heijunka.app.middleware import AroundAttempt, AroundEnqueue
from heijunka.app.options import TaskKeywords, task_name, task_options
from heijunka.app.outgoing import BATCH, Outgoing, accepted_ms, flat
from heijunka.config import SETTINGS, Settings, did_you_mean, load_settings
from heijunka.errors import DefinitionError, DuplicateTask, UnknownSetting, UnknownTask
from heijunka.keys import DomainKeys, domain_keys, valid_name

if TYPE_CHECKING:
    from heijunka.control.control import Control

P = ParamSpec("P")
R = TypeVar("R")

Lifespan = Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]

log: Final = logging.getLogger("heijunka")


class Heijunka:
    """An application.

    Parameters:
        name: what it is called; also its namespace in Redis unless the settings name another.
        settings: any setting of docs/settings.md, e.g. `redis_url=`; they override every other source.

    Raises:
        InvalidName: the name has other characters than `a-z 0-9 _ . -`.

    Example:
        >>> app = Heijunka("shop")
        >>> @app.task(domain="payment", priority="high", timeout=30)
        ... def charge(order: str, cents: int) -> str:
        ...     return f"{order}: {cents}"
        >>> charge("A1", 99)
        'A1: 99'
        >>> charge.enqueue("A1", 99)  # doctest: +SKIP
    """

    def __init__(self, name: str = "heijunka", **settings: Any) -> None:
        self.name = valid_name(name, "application")
        for setting in settings:
            if setting not in SETTINGS:
                raise UnknownSetting(
                    f"there is no setting {setting!r}",
                    hint=did_you_mean(setting, SETTINGS),
                    setting=setting,
                    origin="argument",
                )
        self._overrides: dict[str, tuple[str, Any]] = {key: ("argument", value) for key, value in settings.items()}
        self._tasks: dict[str, BaseTask[Any, Any]] = {}
        self._around_enqueue: list[AroundEnqueue] = []
        self._around_attempt: list[AroundAttempt] = []
        self._lifespans: list[Lifespan] = []

    # -- definitions ----------------------------------------------------------------------------

    @overload
    def task(  # type: ignore[overload-overlap]  # the first that fits wins, and a coroutine's is meant to
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, /, **options: Unpack[TaskKeywords]) -> TaskDecorator: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Unpack[TaskKeywords]) -> Any:
        """Make a function a task.

        Parameters:
            function: what to decorate, when used without parentheses.
            options: name, domain, priority, timeout, attempts, retry_base, retry_cap, keep_result,
                no_retry_on; see `TaskKeywords`.

        Raises:
            DuplicateTask: another task has this name.
            InvalidName, InvalidOption, DefinitionError: what is wrong, where it is written.
        """
        decorate = TaskDecorator(self, options)
        return decorate if function is None else decorate(function)

    def around_enqueue(self, middleware: AroundEnqueue) -> AroundEnqueue:
        """Put a context manager around every enqueue; the first one added is outermost. A decorator."""
        self._around_enqueue.append(middleware)
        return middleware

    def around_attempt(self, middleware: AroundAttempt) -> AroundAttempt:
        """Put a context manager around every attempt; the first one added is outermost. A decorator."""
        self._around_attempt.append(middleware)
        return middleware

    def lifespan(self, hook: Lifespan) -> Lifespan:
        """Put a context manager around the life of every worker process. A decorator.

        It is entered after the fork, so what it opens (a database pool) belongs to one process.
        """
        self._lifespans.append(hook)
        return hook

    @property
    def tasks(self) -> Mapping[str, BaseTask[Any, Any]]:
        """The tasks by name."""
        return self._tasks

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of its tasks, in order of definition."""
        return tuple(dict.fromkeys(task.task_options.domain for task in self._tasks.values()))

    @property
    def attempt_middleware(self) -> Sequence[AroundAttempt]:
        """What stands around attempts, outermost first."""
        return tuple(self._around_attempt)

    @property
    def lifespans(self) -> Sequence[Lifespan]:
        """What stands around the life of a worker process, outermost first."""
        return tuple(self._lifespans)

    def named(self, name: str) -> BaseTask[Any, Any]:
        """The task called `name`.

        Raises:
            UnknownTask: there is none, with the nearest name as a hint.
        """
        if name in self._tasks:
            return self._tasks[name]
        raise UnknownTask(f"{self.name} has no task {name!r}", hint=did_you_mean(name, self._tasks), task=name)

    def register(self, task: BaseTask[Any, Any]) -> None:
        """Add a task; `task` does this.

        Raises:
            DuplicateTask: another function has its name. The same function, defined again by a
                reloaded module or notebook cell, takes its own place.
        """
        known = self._tasks.get(task.name)
        if known is not None and not _same_place(known.function, task.function):
            raise DuplicateTask(
                f"task {task.name!r} is defined twice: {_place(known.function)} and {_place(task.function)}",
                hint="give one of them another name=",
                task=task.name,
            )
        self._tasks[task.name] = task

    # -- settings -------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when they are first needed."""
        values = {key: value for key, (_, value) in self._overrides.items()}
        origins = {key: origin for key, (origin, _) in self._overrides.items()}
        return load_settings(values, origins=origins)

    def override(self, values: Mapping[str, Any], origin: str) -> None:
        """Override settings, as the command line does; whatever was connected is closed.

        Parameters:
            values: settings by name.
            origin: where they come from, as `config show --origin` shows it.
        """
        self.close()
        self._overrides |= {key: (f"{origin} --{key.replace('_', '-')}", value) for key, value in values.items()}
        for derived in ("settings", "connections", "namespace", "max_payload"):
            self.__dict__.pop(derived, None)

    @cached_property
    def namespace(self) -> str:
        """What separates it from other applications on one Redis."""
        return self.settings.namespace or self.name

    @cached_property
    def max_payload(self) -> int:
        """The most bytes that the encoded arguments of a call may take."""
        return self.settings.max_payload

    # -- the way to Redis -----------------------------------------------------------------------

    @cached_property
    def connections(self) -> Connections:
        """The clients, opened when they are first needed."""
        return Connections(self.settings)

    def keys(self, domain: str) -> DomainKeys:
        """The keys of one of its domains."""
        return domain_keys(self.namespace, domain)

    def redis_url(self) -> str:
        """Where Redis is; starts the embedded server when none is configured."""
        return self.connections.url

    @property
    def uses_embedded_server(self) -> bool:
        """Whether Redis is the embedded server now, because none is configured."""
        return self.connections.uses_embedded_server

    @property
    def control(self) -> Control:
        """What operators do to its domains, such as `app.control.dead`."""
        from heijunka.control.control import Control

        return Control(self.connections.client, self.keys, self._tasks, max_payload=self.max_payload)

    def server_ms(self) -> int:
        """Now by Redis's clock, ms since the epoch."""
        return self.connections.server_ms()

    async def aserver_ms(self) -> int:
        """Now by Redis's clock, ms since the epoch. See `server_ms`."""
        return await self.connections.aserver_ms()

    def send(self, outgoing: Sequence[Outgoing]) -> int:
        """Enqueue jobs of one domain in one call; returns when Redis accepted them (ms)."""
        command = commands.enqueue(self.keys(outgoing[0].domain), flat(outgoing))
        if not self._around_enqueue:
            return accepted_ms(self.connections.client.execute(command))
        with self._around(outgoing):
            return accepted_ms(self.connections.client.execute(command))

    async def asend(self, outgoing: Sequence[Outgoing]) -> int:
        """Enqueue jobs of one domain, together with what others enqueue meanwhile. See `send`."""
        coalescer = (await self.connections.opened()).coalescer(self.keys(outgoing[0].domain))
        with self._around(outgoing):
            return await coalescer.add(outgoing)

    def send_many(self, outgoing: Sequence[Outgoing]) -> Iterable[int]:
        """Enqueue jobs of one domain, 1,000 a call; returns for each when Redis accepted it (ms)."""
        return [at_ms for batch in _batches(outgoing) for at_ms in [self.send(batch)] * len(batch)]

    async def asend_many(self, outgoing: Sequence[Outgoing]) -> Iterable[int]:
        """Enqueue jobs of one domain, 1,000 a call. See `send_many`."""
        return [at_ms for batch in _batches(outgoing) for at_ms in [await self.asend(batch)] * len(batch)]

    def close(self) -> None:
        """Close its connections; the next call opens them again. In a coroutine, see `aclose`."""
        opened = self.__dict__.get("connections")
        if opened is not None:
            opened.close()

    async def aclose(self) -> None:
        """Close its connections, the running event loop's included; the next call opens them again.

        Example:
            >>> async with app:  # doctest: +SKIP
            ...     await charge.aenqueue(order, amount)
        """
        opened = self.__dict__.get("connections")
        if opened is not None:
            await opened.aclose()

    @contextlib.contextmanager
    def _around(self, outgoing: Sequence[Outgoing]) -> Any:
        with contextlib.ExitStack() as stack:
            for middleware in self._around_enqueue:
                stack.enter_context(middleware(outgoing))
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Heijunka {self.name}: {len(self._tasks)} tasks>"


class TaskDecorator:
    """Makes functions tasks of one application, with one set of options."""

    def __init__(self, app: Heijunka, options: TaskKeywords) -> None:
        self._app = app
        self._name = options.get("name")
        self._options = task_options(**options)

    @overload
    def __call__(  # type: ignore[overload-overlap]  # as above
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Make `function` a task."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(
                f"{_place(function)} is a generator", hint="a task returns once; enqueue a job per item"
            )
        if not inspect.isfunction(function):
            raise DefinitionError(f"{function!r} is not a function", hint="decorate a def or async def")
        kind = AsyncTask if inspect.iscoroutinefunction(function) else Task
        task: BaseTask[Any, Any] = kind(
            self._app, task_name(function.__name__ if self._name is None else self._name), function, self._options
        )
        self._app.register(task)
        return task


def _batches(outgoing: Sequence[Outgoing]) -> Iterable[Sequence[Outgoing]]:
    return (outgoing[at : at + BATCH] for at in range(0, len(outgoing), BATCH))


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{function.__module__}.{function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"


def _same_place(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    if one.__qualname__ != other.__qualname__:
        return False
    if one.__module__ == other.__module__ == "__main__" and not inspect.getmodule(one).__dict__.get("__file__"):
        return True  # a notebook or a prompt
    one_code, other_code = one.__code__, other.__code__
    return (one_code.co_filename, one_code.co_firstlineno) == (other_code.co_filename, other_code.co_firstlineno)
