"""Tasks: decorated functions that can be enqueued.

A task is still the function it decorates; `enqueue` and its relatives are typed by that function's
parameters. What one call wants differently is said with `options(...)`, which answers the same verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, Unpack, cast

from heijunka import wire
from heijunka.app.admission import Terms, admission, refusal
from heijunka.app.context import CURRENT
from heijunka.app.job import Job
from heijunka.app.options import AS_TASK_SAYS, Call, CallKeywords, TaskOptions, call_options, require_order
from heijunka.app.outgoing import BATCH, Outgoing
from heijunka.app.signature import Signature
from heijunka.clock import instant_ms
from heijunka.commands.enqueue import Accepted, where
from heijunka.errors import PayloadTooLarge

if TYPE_CHECKING:
    from heijunka.app.application import Heijunka

P = ParamSpec("P")
R = TypeVar("R")

Arguments = tuple[Any, ...] | Mapping[str, Any]
"""One call of `enqueue_many`: a tuple of positional arguments, or a mapping of keyword arguments."""

NO_KEYWORDS: Final[Mapping[str, Any]] = {}


class Enqueueable(Generic[P, R]):
    """A task together with what a call of it asks for; `task.options(...)` makes one.

    Parameters:
        app: the application it belongs to.
        name: what its jobs are called.
        options: what the task asks for.
        signature: of the task's function.
        call: what this call asks for besides.

    Example:
        >>> later = charge.options(delay="5m")
        >>> later.enqueue(order, amount)  # doctest: +SKIP
    """

    def __init__(self, app: Heijunka, name: str, options: TaskOptions, signature: Signature, call: Call) -> None:
        self.app, self.name, self.task_options = app, name, options
        self.signature, self.call = signature, call
        self.paces = options.pace if call.pace is None else call.pace

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueue one call.

        Parameters:
            args: positional arguments, as the task's function takes them.
            kwargs: keyword arguments, likewise.

        Returns:
            A handle of the job, once Redis has it.

        Raises:
            TypeError: the call does not fit the signature; NotEncodable if an argument cannot be encoded.
            PayloadTooLarge: the encoded arguments are larger than `max_payload`.
            Overloaded: there is no room in the domain, and the call was not to wait, or waited in vain.
            BrokerError: Redis refused it; nothing was written.
            Unconfirmed: Redis did not confirm in time; it may have been accepted.

        Example:
            >>> job = charge.enqueue(order, amount)  # doctest: +SKIP
            >>> job.result(timeout=5)  # doctest: +SKIP
        """
        outgoing = self._outgoing(args, kwargs)
        return self._job(outgoing, self.app.send((outgoing,), self._terms, paces=self.paces))

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueue one call; concurrent calls of one event loop share round trips. See `enqueue`.

        Parameters:
            args: positional arguments, as the task's function takes them.
            kwargs: keyword arguments, likewise.

        Returns:
            A handle of the job, once Redis has it.

        Raises:
            TypeError: the call does not fit the signature; NotEncodable if an argument cannot be encoded.
            PayloadTooLarge: the encoded arguments are larger than `max_payload`.
            Overloaded: there is no room in the domain, and the call was not to wait, or waited in vain.
            BrokerError: Redis refused it; nothing was written.
            Unconfirmed: Redis did not confirm in time; it may have been accepted.

        Example:
            >>> job = await charge.aenqueue(order, amount)  # doctest: +SKIP
            >>> await job.aresult(timeout=5)  # doctest: +SKIP
        """
        if self.call.deadline_in_ms is not None:
            await self.app.aserver_ms()  # or `_deadline_ms` would ask Redis, and the event loop stand still
        outgoing = self._outgoing(args, kwargs)
        return self._job(outgoing, await self.app.asend((outgoing,), self._terms, paces=self.paces))

    def enqueue_many(self, calls: Iterable[Arguments], *, partial: bool = False) -> list[Job[R]]:
        """Enqueue many calls, one round trip for each 1,000.

        Parameters:
            calls: for each call a tuple of its positional or a mapping of its keyword arguments.
            partial: accept what there is room for; the `admission.state` of the other jobs is "refused".

        Returns:
            The jobs' handles, in order. Each thousand is accepted whole or not at all, unless `partial`.

        Raises:
            TypeError: a call does not fit the signature; NotEncodable if an argument cannot be encoded. Nothing of
                the whole was sent.
            PayloadTooLarge: the encoded arguments of a call are larger than `max_payload`; likewise.
            Overloaded: there is no room for a thousand; its `accepted` says how many jobs before it are accepted.
            BrokerError: Redis refused a thousand; those before it are accepted.
            Unconfirmed: Redis did not confirm a thousand in time; likewise.

        Example:
            >>> charge.enqueue_many([(order, amount) for order, amount in due])  # doctest: +SKIP
        """
        outgoing = self._many(calls)
        return self._jobs(outgoing, self.app.send_many(outgoing, self._terms, partial=partial, paces=self.paces))

    async def aenqueue_many(self, calls: Iterable[Arguments], *, partial: bool = False) -> list[Job[R]]:
        """Enqueue many calls, one round trip for each 1,000. See `enqueue_many`.

        Parameters:
            calls: for each call a tuple of its positional or a mapping of its keyword arguments.
            partial: accept what there is room for; the `admission.state` of the other jobs is "refused".

        Returns:
            The jobs' handles, in order. Each thousand is accepted whole or not at all, unless `partial`.

        Raises:
            TypeError: a call does not fit the signature; NotEncodable if an argument cannot be encoded. Nothing of
                the whole was sent.
            PayloadTooLarge: the encoded arguments of a call are larger than `max_payload`; likewise.
            Overloaded: there is no room for a thousand; its `accepted` says how many jobs before it are accepted.
            BrokerError: Redis refused a thousand; those before it are accepted.
            Unconfirmed: Redis did not confirm a thousand in time; likewise.

        Example:
            >>> await charge.aenqueue_many([{"order": order, "amount": amount}])  # doctest: +SKIP
        """
        if self.call.deadline_in_ms is not None:
            await self.app.aserver_ms()
        outgoing = self._many(calls)
        return self._jobs(outgoing, await self.app.asend_many(outgoing, self._terms, partial=partial, paces=self.paces))

    def job(self, job_id: str) -> Job[R]:
        """A handle of a job of this task by its id, e.g. from a log.

        Parameters:
            job_id: a UUID, as `Job.id` spells it. Whether there is such a job is not asked.

        Returns:
            The handle, which does not know when the job was accepted.

        Raises:
            ValueError: the text is no job id.

        Example:
            >>> charge.job("01997d7e-6c00-7000-8000-000000000001")
            <Job charge 01997d7e-6c00-7000-8000-000000000001 in payment>
        """
        return Job(self, wire.id_bytes(job_id), None)

    def _outgoing(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Outgoing:
        encoded, job_id = self._encoded(args, kwargs), wire.new_id()
        blob = self._envelope.sealed(job_id, encoded, self._deadline_ms())
        return Outgoing(job_id, self.name, self.task_options.domain, self._where, blob)

    def _many(self, calls: Iterable[Arguments]) -> list[Outgoing]:
        many = [self._encoded_call(call) for call in calls]
        sealed, deadline_ms = self._envelope.sealed, self._deadline_ms()
        name, domain, place = self.name, self.task_options.domain, self._where
        return [
            Outgoing(job_id, name, domain, place, sealed(job_id, encoded, deadline_ms))
            for job_id, encoded in zip(wire.new_ids(len(many)), many, strict=True)
        ]

    def _encoded_call(self, call: Arguments) -> bytes:
        if isinstance(call, tuple):
            return self._encoded(call, NO_KEYWORDS)
        if isinstance(call, Mapping):
            return self._encoded((), call)
        raise TypeError(
            f"{self.name}.enqueue_many() takes tuples of positional or mappings of keyword arguments, "
            f"not {type(call).__name__}: write ({call!r},)"
        )

    def _encoded(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        encoded = self.signature.encode(args, kwargs)
        if len(encoded) > self.app.max_payload:
            raise PayloadTooLarge(
                f"the arguments of {self.name} take {len(encoded):,} bytes, "
                f"more than max_payload, {self.app.max_payload:,}",
                hint="store the data elsewhere and pass its key, or raise max_payload",
                size=len(encoded),
                limit=self.app.max_payload,
            )
        return encoded

    @cached_property
    def _where(self) -> str:
        call = self.call
        return where(call.priority or self.task_options.priority, delay_ms=call.delay_ms, at_ms=call.at_ms)

    @cached_property
    def _envelope(self) -> wire.Envelope:
        return wire.Envelope(self.name, self.call.options)

    def _deadline_ms(self) -> int | None:
        if self.call.deadline_in_ms is not None:
            return self.app.server_ms() + self.call.deadline_in_ms
        if not self.call.inherits:
            return self.call.deadline_at_ms
        parent = CURRENT.get(None)
        deadline = None if parent is None else parent.deadline
        return None if deadline is None else instant_ms(deadline)

    @property
    def keeps_results(self) -> bool:
        """Whether the results of its jobs are kept for who waits for them."""
        return self.keep_result_ms > 0

    def _job(self, outgoing: Outgoing, reply: Accepted) -> Job[R]:
        if reply.gauge is None:
            return Job(self, outgoing.job_id, reply.at_ms)
        return self._jobs((outgoing,), (reply,))[0]

    def _jobs(self, outgoing: Sequence[Outgoing], replies: Iterable[Accepted]) -> list[Job[R]]:
        jobs: list[Job[R]] = []
        for reply in replies:
            before = len(jobs)
            receipt = admission(reply.gauge)
            jobs += [Job(self, one.job_id, reply.at_ms, receipt) for one in outgoing[before : before + BATCH]]
            for place, reason in reply.refused:
                refused = outgoing[before + place].job_id
                jobs[before + place] = Job(self, refused, None, refusal(reply.gauge, reason))
        return jobs

    def _terms(self) -> Terms:
        settings = self.app.settings
        asked = self.call.on_overload or self.task_options.on_overload or settings.on_overload
        wait_ms = next(ms for ms in (self.call.wait_ms, self.task_options.wait_ms, settings.wait_ms) if ms is not None)
        return Terms(asked, wait_ms)

    @cached_property
    def keep_result_ms(self) -> int:
        """How long the results of its jobs are kept; 0 for not at all."""
        asked = self.call.options.keep_result_ms if self.call.options is not None else None
        for keep_ms in (asked, self.task_options.keep_result_ms):
            if keep_ms is not None:
                return keep_ms
        return self.app.settings.keep_result_ms


class BaseTask(Enqueueable[P, R]):
    """A decorated function.

    Parameters:
        app: the application it belongs to.
        name: what its jobs are called.
        function: what it decorates.
        options: what it asks for; kept as `task_options`.
    """

    def __init__(self, app: Heijunka, name: str, function: Callable[..., Any], options: TaskOptions) -> None:
        super().__init__(app, name, options, Signature(function, name), AS_TASK_SAYS)
        self.function = function
        update_wrapper(cast("Any", self), function)

    def options(self, **given: Unpack[CallKeywords]) -> Enqueueable[P, R]:
        """This task, called differently.

        Parameters:
            given: what this call asks for; durations are seconds, or text such as "5m".

                - priority: "high", "normal" or "low", instead of the task's.
                - delay: how much later it may start, by Redis's clock.
                - at: the moment before which it must not start, an aware datetime; excludes `delay`.
                - deadline: after that long, or after that moment, it must not start any more. Without one it is the
                  deadline of the job that makes the call, if one does; None for none.
                - timeout: how long an attempt may run.
                - soft_timeout: after which `SoftTimeout` is raised in it; None for never.
                - attempts: how often it is tried at most, 1 to 1,000.
                - keep_result: how long its result is kept; None for not at all.
                - on_expire: what becomes of it when its deadline passed, "dead" (a dead letter) or "drop".
                - on_overload: when the domain has no room: "raise" `Overloaded`, "wait", or "drop" the job.
                - wait: how long to wait for room at most, when it waits.
                - pace: pause before the call, for longer the fuller the domain is above its soft limit.

        Returns:
            What has the task's `enqueue` and its relatives. It can be kept and used again.

        Raises:
            InvalidOption: a value is out of its range, there is no such option, `delay` and `at` are both given, or
                the deadline is before the delay is over.

        Example:
            >>> charge.options(priority="low", delay="5m").enqueue(order, amount)  # doctest: +SKIP
        """
        call, task = call_options(**given), self.task_options
        if call.options is not None:
            asked = call.options
            require_order(
                task.soft_timeout_ms if asked.soft_timeout_ms is None else asked.soft_timeout_ms,
                task.timeout_ms if asked.timeout_ms is None else asked.timeout_ms,
            )
        return Enqueueable(self.app, self.name, task, self.signature, call)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of {self.app.name}>"


class Task(BaseTask[P, R]):
    """A decorated function.

    Parameters:
        app: the application it belongs to.
        name: what its jobs are called.
        function: what it decorates.
        options: what it asks for; kept as `task_options`.

    Example:
        >>> @app.task(domain="payment")
        ... def charge(order: str, cents: int) -> str:
        ...     return f"{order}: {cents}"
        >>> charge("A1", 99)
        'A1: 99'
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now.

        Parameters:
            args: its positional arguments.
            kwargs: its keyword arguments.

        Returns:
            What it returns.
        """
        result: R = self.function(*args, **kwargs)
        return result


class AsyncTask(BaseTask[P, R]):
    """A decorated coroutine function.

    Parameters:
        app: the application it belongs to.
        name: what its jobs are called.
        function: what it decorates.
        options: what it asks for; kept as `task_options`.

    Example:
        >>> @app.task(domain="mail")
        ... async def send(to: str, text: str) -> int:
        ...     return len(text)
        >>> asyncio.run(send("a1@example.org", "on its way"))
        10
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the coroutine function here and now.

        Parameters:
            args: its positional arguments.
            kwargs: its keyword arguments.

        Returns:
            Its coroutine, to be awaited.
        """
        coroutine: Coroutine[Any, Any, R] = self.function(*args, **kwargs)
        return coroutine
