"""A handle of one enqueued call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from heijunka import wire
from heijunka.app.admission import OK, Admission
from heijunka.errors import JobCancelled, JobFailed, JobNotFound, ResultNotKept, ResultTimeout

if TYPE_CHECKING:
    from heijunka.app.cancel import Cancellation
    from heijunka.app.enqueueable import Enqueueable
    from heijunka.app.locate import Place

R = TypeVar("R")


class Job(Generic[R]):
    """A handle of one enqueued call.

    Parameters:
        call: the task, as it was called.
        job_id: 16 bytes.
        accepted_ms: when Redis accepted it, ms since the epoch by Redis's clock; None for a handle that
            was made from an id.
        admission: how full the domain was: its state is "ok", "soft" or, of a job that was not accepted, "refused".

    Example:
        >>> job = charge.enqueue(order, amount)  # doctest: +SKIP
        >>> job.id, job.status().state  # doctest: +SKIP
        ('01997d7e-6c00-7000-8000-000000000001', 'queued')
    """

    __slots__ = ("_call", "_id", "accepted_ms", "admission")

    def __init__(
        self, call: Enqueueable[Any, R], job_id: bytes, accepted_ms: int | None, admission: Admission = OK
    ) -> None:
        self._call, self._id, self.accepted_ms, self.admission = call, job_id, accepted_ms, admission

    @property
    def id(self) -> str:
        """The job's id, a UUIDv7."""
        return wire.id_text(self._id)

    @property
    def task(self) -> str:
        """The task's name."""
        return self._call.name

    @property
    def domain(self) -> str:
        """Whose queue it went to."""
        return self._call.task_options.domain

    def result(self, timeout: float | None = None) -> R:
        """Wait until the job has ended and return what it returned. Nothing is polled meanwhile.

        Parameters:
            timeout: how long to wait, in seconds; None for ever.

        Returns:
            What it returned, decoded into the type that the task's function is annotated with.

        Raises:
            JobFailed: it ended without a result, with the remote error; JobCancelled if somebody cancelled it.
            ResultTimeout: it has not ended in time, or its result is not kept any more.
            ResultNotKept: its task keeps no results.
            JobNotFound: it was refused, and the call asked for no error (`on_overload="drop"`, `partial=True`).
            BrokerError: Redis cannot be reached.

        Example:
            >>> charge.enqueue(order, amount).result(timeout=5)  # doctest: +SKIP
            'A1: 99'
        """
        self._must_keep()
        return self._opened(self._call.app.connections.subscription.wait(self._key, timeout), timeout)

    async def aresult(self, timeout: float | None = None) -> R:  # noqa: ASYNC109 - the same signature as `result`
        """Wait until the job has ended and return what it returned; the event loop goes on meanwhile. See `result`.

        Parameters:
            timeout: how long to wait, in seconds; None for ever.

        Returns:
            What it returned, decoded into the type that the task's function is annotated with.

        Raises:
            JobFailed: it ended without a result, with the remote error.
            ResultTimeout: it has not ended in time, or its result is not kept any more.
            ResultNotKept: its task keeps no results.
            JobNotFound: it was refused, and the call asked for no error (`on_overload="drop"`, `partial=True`).
            BrokerError: Redis cannot be reached.

        Example:
            >>> await (await charge.aenqueue(order, amount)).aresult(timeout=5)  # doctest: +SKIP
            'A1: 99'
        """
        self._must_keep()
        return self._opened(
            await (await self._call.app.connections.opened()).subscription.awaited(self._key, timeout), timeout
        )

    def status(self) -> Place:
        """Where the job is now.

        Returns:
            Its state and what is known of it; see `heijunka.app.locate.Place`.

        Raises:
            UndecodableJob: the record of its end cannot be read.
            BrokerError: Redis cannot be reached.

        Example:
            >>> charge.options(delay="5m").enqueue(order, amount).status().state  # doctest: +SKIP
            'scheduled'
        """
        from heijunka.app.locate import located

        app = self._call.app
        return located(app.connections.client, app.keys(self.domain), self._id, self.accepted_ms)

    async def astatus(self) -> Place:
        """Where the job is now. See `status`.

        Returns:
            Its state and what is known of it; see `heijunka.app.locate.Place`.

        Raises:
            UndecodableJob: the record of its end cannot be read.
            BrokerError: Redis cannot be reached.

        Example:
            >>> (await job.astatus()).state  # doctest: +SKIP
            'done'
        """
        from heijunka.app.locate import alocated

        app = self._call.app
        aclient = (await app.connections.opened()).aclient
        return await alocated(aclient, app.keys(self.domain), self._id, self.accepted_ms)

    def cancel(self) -> Cancellation:
        """Cancel the job, wherever it is. It may be called again at any time.

        A job that nobody runs ends at once. One that runs is told within a second: `current_job().cancelled` becomes
        True, and a coroutine is cancelled. If it goes on for longer than `cancel_grace`, its process is killed.

        Returns:
            "cancelled", "cancelling", "ended" or "unknown"; see `heijunka.app.cancel.Cancellation`.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> job.cancel()  # doctest: +SKIP
            'cancelled'
        """
        from heijunka.app.cancel import cancelled

        app = self._call.app
        known = {"accepted_ms": self.accepted_ms, "keep_ms": self._call.keep_result_ms}
        return cancelled(app.connections.client, app.keys(self.domain), self._id, **known)

    async def acancel(self) -> Cancellation:
        """Cancel the job, wherever it is. See `cancel`.

        Returns:
            What became of it, as `cancel` does.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> await job.acancel()  # doctest: +SKIP
            'cancelling'
        """
        from heijunka.app.cancel import acancelled

        app = self._call.app
        known = {"accepted_ms": self.accepted_ms, "keep_ms": self._call.keep_result_ms}
        aclient = (await app.connections.opened()).aclient
        return await acancelled(aclient, app.keys(self.domain), self._id, **known)

    @property
    def _key(self) -> str:
        return self._call.app.keys(self.domain).result(self.id)

    def _must_keep(self) -> None:
        if self.admission.state == "refused":
            raise JobNotFound(f"{self.task} {self.id} was not accepted: {self.domain} had no room", job_id=self.id)
        if not self._call.keeps_results:
            raise ResultNotKept(f"task {self.task} keeps no results", hint='give it keep_result="10m"', job_id=self.id)

    def _opened(self, record: bytes | None, timeout: float | None) -> R:
        if record is None:
            raise ResultTimeout(f"{self.task} {self.id} has not ended within {timeout} s", job_id=self.id)
        end = wire.decode_end(record)
        if isinstance(end, wire.Failure):
            what = " ".join(f"{end.error_type or 'no error'}: {end.message}".split())
            kind = JobCancelled if end.reason == "cancelled" else JobFailed
            raise kind(
                f"{self.task} {self.id} failed ({end.reason}): {what}",
                job_id=self.id,
                reason=end.reason,
                error_type=end.error_type,
                error_message=end.message,
                traceback=end.traceback,
            )
        value: R = self._call.signature.decode_result(end.value)
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"<Job {self.task} {self.id} in {self.domain}>"
