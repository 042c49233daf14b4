"""The application: its tasks, its settings, and the way to Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, Unpack, overload

from heijunka.app.admitting import Admitting
from heijunka.app.decorator import TaskDecorator, place_of, same_place
from heijunka.app.enqueueable import AsyncTask, BaseTask, Task
from heijunka.app.middleware import AroundAttempt, AroundEnqueue
from heijunka.app.options import TaskKeywords
from heijunka.config import did_you_mean
from heijunka.counted import counted
from heijunka.errors import DuplicateTask, UnknownTask
from heijunka.wire import id_bytes

if TYPE_CHECKING:
    from heijunka.app.jobbyid import JobById
    from heijunka.control.control import Control

P = ParamSpec("P")
R = TypeVar("R")

Lifespan = Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]

log: Final = logging.getLogger("heijunka")


class Heijunka(Admitting):
    """An application.

    Parameters:
        name: what it is called; also its namespace in Redis unless the settings name another.
        settings: any setting of docs/settings.md, e.g. `redis_url=`; they override every other source. Durations
            are seconds, or text such as "5m".

    Raises:
        InvalidName: the name has other characters than `a-z 0-9 _ . -`.
        UnknownSetting: there is no such setting, with the nearest name as a hint.

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
        super().__init__(name, **settings)
        self._tasks: dict[str, BaseTask[Any, Any]] = {}
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
            function: what to decorate, a `def` or an `async def`, when used without parentheses.
            options: what the task asks for; durations are seconds, or text such as "5m". What is left out is
                decided by the settings.

                - name: what its jobs are called; the function's name when left out.
                - domain: what the work is about, `[a-z0-9_.-]{1,64}`; "default" when left out.
                - priority: "high", "normal" or "low" within the domain.
                - timeout: how long an attempt may run.
                - soft_timeout: after which `SoftTimeout` is raised in it; None for never.
                - attempts: how often a job is tried at most, 1 to 1,000.
                - retry_base: upper bound of the pause before the second attempt; it doubles with each.
                - retry_cap: longest such bound.
                - keep_result: how long results are kept; None for not at all.
                - no_retry_on: exceptions that are final.
                - on_expire: what becomes of a job whose deadline passed, "dead" (a dead letter) or "drop".
                - on_overload: when the domain has no room: "raise" `Overloaded`, "wait", or "drop" the job.
                - wait: how long to wait for room at most, when it waits.
                - pace: pause before calls, for longer the fuller the domain is above its soft limit.

        Returns:
            The task, which can still be called as the function; with parentheses, what makes a function one.

        Raises:
            DuplicateTask: another task has this name.
            InvalidName: the task or its domain has characters that it cannot have.
            InvalidOption: a value is out of its range, or there is no such option.
            DefinitionError: the function is a generator, or no function.

        Example:
            >>> app = Heijunka("shop")
            >>> @app.task(domain="payment", priority="high", timeout=30, no_retry_on=ValueError)
            ... def charge(order: str, cents: int) -> str:
            ...     return f"{order}: {cents}"
            >>> @app.task
            ... async def send(to: str) -> None: ...
            >>> app.domains
            ('payment', 'default')
        """
        decorate = TaskDecorator(self, options)
        return decorate if function is None else decorate(function)

    def around_enqueue(self, middleware: AroundEnqueue) -> AroundEnqueue:
        """Put a context manager around every enqueue; the first one added is outermost. A decorator.

        Parameters:
            middleware: is given the jobs of one call, all of one domain; its context manager is entered before Redis
                hears of them, and left after it accepted them, or raised. It serves `enqueue` and `aenqueue` alike.

        Returns:
            `middleware` itself.

        Example:
            >>> @app.around_enqueue
            ... @contextlib.contextmanager
            ... def told(jobs):
            ...     yield
            ...     for job in jobs:
            ...         print("enqueued", job.task, job.id)
        """
        self._around_enqueue.append(middleware)
        return middleware

    def around_attempt(self, middleware: AroundAttempt) -> AroundAttempt:
        """Put a context manager around every attempt; the first one added is outermost. A decorator.

        Parameters:
            middleware: is given the job; its context manager is entered before the task's function is called, and
                left after it returned or raised. Around `async def` tasks it may be an async one. An exception must
                pass through it.

        Returns:
            `middleware` itself.

        Example:
            >>> @app.around_attempt
            ... @contextlib.contextmanager
            ... def timed(job):
            ...     began = time.monotonic()
            ...     try:
            ...         yield
            ...     finally:
            ...         print(job.task, job.attempt, time.monotonic() - began)
        """
        self._around_attempt.append(middleware)
        return middleware

    def lifespan(self, hook: Lifespan) -> Lifespan:
        """Put a context manager around the life of every worker process. A decorator.

        It is entered after the fork, so what it opens (a database pool) belongs to one process.

        Parameters:
            hook: makes the context manager, which may be an async one; it is entered before the process's first
                job and left after its last.

        Returns:
            `hook` itself.

        Example:
            >>> @app.lifespan
            ... @contextlib.contextmanager
            ... def database():
            ...     with open_pool() as app.pool:
            ...         yield
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

        Parameters:
            name: of the task, as its jobs are called.

        Returns:
            The task, untyped: its function is known only when the program runs.

        Raises:
            UnknownTask: there is none, with the nearest name as a hint.

        Example:
            >>> app = Heijunka("shop")
            >>> @app.task
            ... def charge(order: str) -> None: ...
            >>> app.named("charge")
            <Task charge of shop>
        """
        if name in self._tasks:
            return self._tasks[name]
        raise UnknownTask(f"{self.name} has no task {name!r}", hint=did_you_mean(name, self._tasks), task=name)

    def job(self, job_id: str) -> JobById:
        """A handle of a job by its id, e.g. from a log, whatever its task. See also `task.job`.

        Parameters:
            job_id: as `job.id` gives it.

        Returns:
            What can cancel the job and tell where it is.

        Raises:
            ValueError: the text is no job id.

        Example:
            >>> app.job("018f2c3e-0000-7000-8000-000000000001").cancel()  # doctest: +SKIP
            'cancelled'
        """
        from heijunka.app.jobbyid import JobById

        return JobById(self, id_bytes(job_id))

    def register(self, task: BaseTask[Any, Any]) -> None:
        """Add a task; `task` does this.

        Parameters:
            task: made for this application.

        Raises:
            DuplicateTask: another function has its name. The same function, defined again by a
                reloaded module or notebook cell, takes its own place.
        """
        known = self._tasks.get(task.name)
        if known is not None and not same_place(known.function, task.function):
            raise DuplicateTask(
                f"task {task.name!r} is defined twice: {place_of(known.function)} and {place_of(task.function)}",
                hint="give one of them another name=",
                task=task.name,
            )
        self._tasks[task.name] = task

    # -- what is done with it -------------------------------------------------------------------

    @property
    def control(self) -> Control:
        """What operators do to its domains, such as `app.control.dead`."""
        from heijunka.control.control import Control

        return Control(
            self.connections.client,
            self.keys,
            self._tasks,
            max_payload=self.max_payload,
            namespace=self.namespace,
            domains=self.domains,
        )

    def __repr__(self) -> str:
        return f"<Heijunka {self.name}: {counted(len(self._tasks), 'task')}>"
