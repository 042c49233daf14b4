"""One attempt: receive → decode → admit → run → judge → settle.

`Pipeline` holds the steps that all executors share; an executor only runs what was admitted. An outcome
is data (see `heijunka.commands.settle`), and exceptions stop at the task's function: nothing a task
raises leaves this file. Whoever watches the log learns of every attempt that failed, and of none that did not.
"""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from heijunka import commands, wire
from heijunka.app.context import CurrentJob
from heijunka.clock import Duration, duration_ms, spell_ms, wall_ms
from heijunka.commands import Entry
from heijunka.commands.cancel import REMEMBER_MS
from heijunka.commands.enqueue import where
from heijunka.commands.settle import Outcome
from heijunka.errors import (
    AttemptTimeout,
    HeijunkaError,
    JobCancelled,
    Reject,
    Retry,
    Snooze,
    SoftTimeout,
    Steer,
    UndecodableArguments,
    UndecodableJob,
)
from heijunka.keys import Priority
from heijunka.policies.backoff import park_delay_ms, retry_delay_ms
from heijunka.worker.breaker import Breaker
from heijunka.worker.runnable import Runnable
from heijunka.worker.sparing import Sparing

log: Final = logging.getLogger("heijunka.worker.attempt")
"""One of its own: who knows that jobs fail may silence it, and still hear of workers."""

PRIORITY_OF: Final[Mapping[str, Priority]] = {"h": "high", "n": "normal", "l": "low"}

TIMEOUTS: Final = (AttemptTimeout, SoftTimeout)

HEEDS: Final = (Steer, JobCancelled, asyncio.CancelledError)
"""What a task raises that heeds its cancellation. Anything else is an error, and a dead letter keeps it."""

MESSAGE_CHARS = 2_000
TRACEBACK_CHARS = 16_000
LOGGED_CHARS = 300
NAMES_KEPT = 1_000


class Attempt(msgspec.Struct, eq=False):
    """What the steps of one attempt know.

    Attributes:
        entry: what was received.
        job: decoded.
        runnable: its task.
        current: what the task sees.
        timeout_ms: how long it may run; 0 for as long as it likes.
        soft_ms: after which `SoftTimeout` is raised in its task; 0 for never.
    """

    entry: Entry
    job: wire.Job
    runnable: Runnable
    current: CurrentJob
    timeout_ms: int
    soft_ms: int = 0


class Pipeline:
    """The steps around running.

    Parameters:
        runnables: the tasks by name.
        worker: this worker's id.
        server_ms: now by Redis's clock, ms.
        keep_failure_ms: how long the failure of a job is kept for who waits, when its task is unknown.
        park_ttl_ms: how long a job whose task is unknown waits for a worker that knows it.

    Attributes:
        cancels: source and entry id of the jobs held here that were cancelled meanwhile; any thread may change it.
        failures: logs them.
    """

    def __init__(
        self,
        runnables: Mapping[str, Runnable],
        *,
        worker: str,
        server_ms: Callable[[], int],
        keep_failure_ms: int,
        park_ttl_ms: int = 0,
        breaker: Breaker | None = None,
    ) -> None:
        self._runnables, self._worker = runnables, worker
        self._server_ms, self._keep_failure_ms = server_ms, keep_failure_ms
        self.cancels: set[tuple[int, bytes]] = set()
        self._park_ttl_ms, self._breaker = park_ttl_ms, breaker
        self._unheard: set[str] = set()  # tasks that were asked for and are unknown
        self.failures = Sparing(log)

    def admitted(self, entry: Entry) -> Attempt | Outcome:  # noqa: PLR0911 - one for each reason not to run
        """Decode a job and look whether it may still run; what may not has its outcome at once."""
        try:
            job = wire.decode_job(entry.job)
        except UndecodableJob as error:
            return self._undecodable(entry, error)
        if entry.marked or (self.cancels and (entry.source, entry.id) in self.cancels):
            return self._called_off(entry, job)
        runnable = self._runnables.get(job.task)
        if job.deadline_ms is not None and self._server_ms() >= job.deadline_ms:
            return self._expired(entry, job, runnable)
        if runnable is None:
            return self._unknown(entry, job)
        try:
            args, kwargs = runnable.signature.decode(job.args)
        except UndecodableArguments as error:
            return self._unrun(entry, job, "undecodable", str(error))
        options = job.options
        if options is None:
            attempts, timeout_ms, soft_ms = runnable.attempts, runnable.timeout_ms, runnable.soft_timeout_ms
        else:
            attempts = options.attempts or runnable.attempts
            timeout_ms = runnable.timeout_ms if options.timeout_ms is None else options.timeout_ms
            asked_ms = options.soft_timeout_ms
            soft_ms = runnable.soft_timeout_ms if asked_ms is None else asked_ms
        current = CurrentJob(
            job,
            domain=runnable.domain,
            priority=PRIORITY_OF[entry.priority],
            attempts=attempts,
            deliveries=entry.deliveries,
            worker=self._worker,
            args=args,
            kwargs=kwargs,
            _entry=entry,
            _cancels=self.cancels,
        )
        attempt = Attempt(entry, job, runnable, current, timeout_ms, soft_ms)
        if entry.overdue:  # it ran, and was killed for that: what is left to do is to settle it
            if timeout_ms == 0:
                return self._dead(attempt, "stalled", _stalled(attempt))
            return self.raised(attempt, _timeout(attempt))
        return attempt

    def returned(self, attempt: Attempt, value: Any) -> Outcome:
        """The outcome of an attempt whose task returned `value`."""
        if attempt.current.was_told:
            return self._cancelled(attempt.entry, attempt.job, "it was cancelled while it ran")
        if self._breaker is not None and self._breaker.counts:
            self._breaker.succeeded(attempt.entry)
        keep_ms = _keep_ms(attempt.job, attempt.runnable)
        if keep_ms == 0:
            return commands.ack(attempt.entry)
        try:
            encoded = attempt.runnable.signature.encode_result(value, most=attempt.runnable.max_result)
        except HeijunkaError as error:
            return self._dead(attempt, "result", error)
        result = wire.Result(wire.FORMAT, "done", encoded, attempt.job.attempt, self._worker, wall_ms())
        return commands.done(
            attempt.entry, wire.id_text(attempt.job.id), keep_ms=keep_ms, result=wire.encode_end(result)
        )

    def raised(self, attempt: Attempt, error: BaseException) -> Outcome:  # noqa: PLR0911 - one for each outcome
        """The outcome of an attempt whose task raised `error`."""
        try:
            if attempt.current.cancelled:
                return self._interrupted(attempt, error)
            if isinstance(error, Snooze):
                return self._snoozed(attempt, duration_ms(error.for_, option="Snooze"))
            if isinstance(error, Reject):
                return self._dead(attempt, "rejected", error)
            if isinstance(error, attempt.runnable.final):
                return self._dead(attempt, "final", error)
            if self._breaker is not None and not isinstance(error, Steer):
                self._breaker.failed(attempt.entry, error)
            if attempt.job.attempt >= attempt.current.attempts:
                return self._dead(attempt, "timeout" if isinstance(error, TIMEOUTS) else "retries", error)
            return self._retried(attempt, self._pause_ms(attempt, error), error)
        except HeijunkaError as wrong:  # the task steered with a duration that is none
            return self._dead(attempt, "rejected", wrong)

    def _called_off(self, entry: Entry, job: wire.Job) -> Outcome:
        """It is not to run any more."""
        if entry.overdue:
            went_on = "it was cancelled while it ran, and was killed because it went on"
            failure = self._failure("cancelled", message=went_on, attempt=job.attempt)
            return self._buried(entry, job, self._record_ms(job), failure)
        return self._cancelled(entry, job, "it was cancelled before it ran")

    def _interrupted(self, attempt: Attempt, error: BaseException) -> Outcome:
        if isinstance(error, HEEDS):
            return self._cancelled(attempt.entry, attempt.job, "it was cancelled while it ran")
        return self._dead(attempt, "cancelled", error)

    def _cancelled(self, entry: Entry, job: wire.Job, message: str) -> Outcome:
        record = wire.encode_end(self._failure("cancelled", message=message, attempt=job.attempt))
        return commands.cancelled(entry, job.id, keep_ms=self._record_ms(job) or REMEMBER_MS, record=record)

    def _record_ms(self, job: wire.Job) -> int:
        """How long the end of a job is kept for who waits, whether its task is known here or not."""
        if job.options is not None and job.options.keep_result_ms is not None:
            return job.options.keep_result_ms
        runnable = self._runnables.get(job.task)
        return self._keep_failure_ms if runnable is None else runnable.keep_result_ms

    def _pause_ms(self, attempt: Attempt, error: BaseException) -> int:
        after: Duration | None = error.after if isinstance(error, Retry) else None
        if after is not None:
            return duration_ms(after, option="Retry")
        runnable = attempt.runnable
        return retry_delay_ms(
            attempt.job.attempt,
            base_ms=runnable.retry_base_ms,
            cap_ms=runnable.retry_cap_ms,
            chance=random.random(),  # noqa: S311 - jitter
        )

    def _snoozed(self, attempt: Attempt, pause_ms: int) -> Outcome:
        place = where(attempt.current.priority, delay_ms=pause_ms)
        job = msgspec.structs.replace(attempt.job, parked_ms=0)
        return commands.snooze(attempt.entry, where=place, job=wire.encode_job(job))

    def _retried(self, attempt: Attempt, pause_ms: int, error: BaseException) -> Outcome:
        job = attempt.job
        errors = wire.with_error(
            job.errors,
            job.attempt,
            error_type=_type_of(error),
            message=_text_of(error),
            worker=self._worker,
            at_ms=wall_ms(),
        )
        job = msgspec.structs.replace(job, attempt=job.attempt + 1, errors=errors, parked_ms=0)
        if job.deadline_ms is None:
            place = where(attempt.current.priority, delay_ms=pause_ms)
        else:  # a moment of its own, which the budget does not move beyond the deadline
            place = where(attempt.current.priority, at_ms=self._server_ms() + pause_ms)
        self.failures.say(
            logging.WARNING,
            "%s %s: attempt %d of %d failed: %s; again in %s at the earliest",
            job.task,
            attempt.current.id,
            attempt.job.attempt,
            attempt.current.attempts,
            _in_a_line(errors[-1].error_type, _text_of(error)),
            spell_ms(pause_ms),
            more=lambda: _traceback_of(error),
        )
        return commands.retry(attempt.entry, where=place, job=wire.encode_job(job))

    def _dead(self, attempt: Attempt, reason: str, error: BaseException) -> Outcome:
        failure = self._failure(
            reason,
            error_type=_type_of(error),
            message=_text_of(error)[:MESSAGE_CHARS],
            traceback=_traceback_of(error),
            attempt=attempt.job.attempt,
        )
        after = f" after attempt {attempt.job.attempt} of {attempt.current.attempts}"
        return self._buried(attempt.entry, attempt.job, _keep_ms(attempt.job, attempt.runnable), failure, after)

    def _expired(self, entry: Entry, job: wire.Job, runnable: Runnable | None) -> Outcome:
        message = f"its deadline passed before attempt {job.attempt} began"
        on_expire = job.options.on_expire if job.options is not None else None
        if on_expire is None and runnable is not None:
            on_expire = runnable.on_expire
        if on_expire != "drop":
            return self._unrun(entry, job, "expired", message)
        failure = wire.encode_end(self._failure("expired", message=message, attempt=job.attempt))
        return commands.dropped(entry, wire.id_text(job.id), keep_ms=self._keep_unrun_ms(job), failure=failure)

    def _unknown(self, entry: Entry, job: wire.Job) -> Outcome:
        """Put a job aside whose task is unknown here: during a rolling deploy another worker may know it."""
        now_ms = self._server_ms()
        since_ms = job.parked_ms or now_ms
        if now_ms - since_ms >= self._park_ttl_ms:
            waited = f", nor anywhere else within {spell_ms(self._park_ttl_ms)}" if self._park_ttl_ms else ""
            return self._unrun(entry, job, "unknown task", f"no task is called {job.task!r} here{waited}")
        if job.task not in self._unheard and len(self._unheard) < NAMES_KEPT:
            self._unheard.add(job.task)
            ttl = spell_ms(self._park_ttl_ms)
            log.warning("no task is called %r here: its jobs wait up to %s for a worker that knows it", job.task, ttl)
        pause_ms = park_delay_ms(now_ms - since_ms, chance=random.random())  # noqa: S311 - jitter
        place = where(PRIORITY_OF[entry.priority], delay_ms=pause_ms)
        return commands.snooze(
            entry, where=place, job=wire.encode_job(msgspec.structs.replace(job, parked_ms=since_ms))
        )

    def _unrun(self, entry: Entry, job: wire.Job, reason: str, message: str) -> Outcome:
        failure = self._failure(reason, message=message[:MESSAGE_CHARS], attempt=job.attempt)
        return self._buried(entry, job, self._keep_unrun_ms(job), failure)

    def _keep_unrun_ms(self, job: wire.Job) -> int:
        runnable = self._runnables.get(job.task)
        return self._keep_failure_ms if runnable is None else _keep_ms(job, runnable)

    def _undecodable(self, entry: Entry, error: UndecodableJob) -> Outcome:
        failure = self._failure("undecodable", message=str(error)[:MESSAGE_CHARS])
        self.failures.say(logging.ERROR, "a job is dead-lettered as undecodable: %s", _in_a_line("", str(error)))
        return commands.dead(
            entry, "", keep_ms=0, failure=wire.encode_end(failure), reason="undecodable", job=entry.job
        )

    def _buried(self, entry: Entry, job: wire.Job, keep_ms: int, failure: wire.Failure, after: str = "") -> Outcome:
        job_id = wire.id_text(job.id)
        self.failures.say(
            logging.ERROR,
            "%s %s: dead-lettered as %s%s: %s",
            job.task,
            job_id,
            failure.reason,
            after,
            _in_a_line(failure.error_type, failure.message),
            more=lambda: failure.traceback,
        )
        record = wire.encode_end(failure)
        return commands.dead(entry, job_id, keep_ms=keep_ms, failure=record, reason=failure.reason, job=entry.job)

    def _failure(self, reason: str, **known: Any) -> wire.Failure:
        return wire.Failure(wire.FORMAT, "failed", reason, worker=self._worker, at_ms=wall_ms(), **known)


def _stalled(attempt: Attempt) -> AttemptTimeout:
    return AttemptTimeout(
        f"attempt {attempt.job.attempt} has no timeout, did not end, and was killed as stalled",
        hint="give the task a timeout, or set on_stall to alarm",
        job_id=attempt.current.id,
    )


def _timeout(attempt: Attempt) -> AttemptTimeout:
    return AttemptTimeout(
        f"attempt {attempt.job.attempt} ran longer than {spell_ms(attempt.timeout_ms)}",
        hint="give the task a longer timeout=, or less to do",
        job_id=attempt.current.id,
    )


def _keep_ms(job: wire.Job, runnable: Runnable) -> int:
    options = job.options
    if options is not None and options.keep_result_ms is not None:
        return options.keep_result_ms
    return runnable.keep_result_ms


def _in_a_line(error_type: str, message: str) -> str:
    text = " ".join(f"{error_type}: {message}".split() if error_type else message.split())
    return text if len(text) <= LOGGED_CHARS else text[: LOGGED_CHARS - 1] + "…"


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not cost the job
        return f"<{type(error).__qualname__} whose text cannot be read>"


def _traceback_of(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - as above
        return ""
    return text if len(text) <= TRACEBACK_CHARS else "… " + text[-TRACEBACK_CHARS:]
