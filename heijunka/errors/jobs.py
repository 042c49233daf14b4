"""What is said about one job: how it ended, or that nothing is known. Each names the job."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


class JobError(HeijunkaError):
    """Something about one job."""


class JobFailed(JobError):
    """The job ended without a result.

    Attributes:
        job_id: which job.
        reason: why: "retries", "timeout", "final", "rejected", "expired", "poison", "unknown task", "undecodable" …
        error_type: the class of the exception that ended it, with its module unless it is built in; or "".
        error_message: that exception's text, or what happened.
        traceback: the remote traceback, as text; or "".

    Example:
        >>> try:
        ...     charge.enqueue(order, amount).result(timeout=5)  # doctest: +SKIP
        ... except JobFailed as failed:
        ...     print(failed.reason, failed.error_type, failed.error_message)
    """

    job_id: str
    reason: str
    error_type: str
    error_message: str
    traceback: str


class JobCancelled(JobFailed):
    """The job was cancelled.

    Example:
        >>> try:
        ...     job.result(timeout=5)  # doctest: +SKIP
        ... except JobCancelled as cancelled:
        ...     print(cancelled.job_id, "was cancelled")
    """


class JobNotFound(JobError):
    """No trace of the job is left in Redis."""

    job_id: str


class AttemptTimeout(JobError, TimeoutError):
    """An attempt ran longer than its timeout."""

    job_id: str


class SoftTimeout(JobError, TimeoutError):
    """The attempt ran longer than its soft_timeout.

    It is raised in the task itself, which may catch it, put things in order and return. Let through, it is an
    exception like any other: the job is retried, or dead-lettered as "timeout" after its last attempt.

    Example:
        >>> try:
        ...     report(rows)  # doctest: +SKIP
        ... except SoftTimeout:
        ...     save_what_there_is()
    """


class ResultTimeout(JobError, TimeoutError):
    """The job has not ended in time.

    Attributes:
        job_id: which job; it goes on, and may be waited for again.

    Example:
        >>> try:
        ...     charge.enqueue(order, amount).result(timeout=5)  # doctest: +SKIP
        ... except ResultTimeout as late:
        ...     print(late.job_id, "goes on")
    """

    job_id: str


class ResultNotKept(JobError):
    """The task keeps no results."""

    job_id: str
