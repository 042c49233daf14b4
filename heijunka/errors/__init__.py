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
    │   ├── Overloaded              there is no room in the domain
    │   │   └── Draining
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

from heijunka.errors.base import HeijunkaError, default_message, text_of
from heijunka.errors.broker import (
    BrokerError,
    Closed,
    RedisAuthError,
    RedisBusy,
    RedisCannotPersist,
    RedisDenied,
    RedisEvicts,
    RedisFull,
    RedisReadOnly,
    RedisTooOld,
    RedisUnreachable,
    ScriptError,
    ScriptSourceError,
    WrongKeyType,
)
from heijunka.errors.definitions import (
    DefinitionError,
    DuplicateTask,
    InvalidName,
    InvalidOption,
    UnresolvedAnnotation,
)
from heijunka.errors.enqueueing import (
    Draining,
    EnqueueError,
    NotEncodable,
    Overloaded,
    PayloadTooLarge,
    Unconfirmed,
    UnknownTask,
)
from heijunka.errors.jobs import (
    AttemptTimeout,
    JobCancelled,
    JobError,
    JobFailed,
    JobNotFound,
    ResultNotKept,
    ResultTimeout,
    SoftTimeout,
)
from heijunka.errors.server import (
    ServerBinaryNotFound,
    ServerError,
    ServerInUse,
    ServerNotStarted,
    ServerRefused,
)
from heijunka.errors.settings import (
    AppError,
    AppNotFound,
    ConfigError,
    InvalidSetting,
    UnknownSetting,
)
from heijunka.errors.steer import (
    Reject,
    Retry,
    Snooze,
    Steer,
)
from heijunka.errors.wire import UndecodableArguments, UndecodableJob, WireError
from heijunka.errors.worker import NotInJob, WorkerError

__all__ = [
    "AppError",
    "AppNotFound",
    "AttemptTimeout",
    "BrokerError",
    "Closed",
    "ConfigError",
    "DefinitionError",
    "Draining",
    "DuplicateTask",
    "EnqueueError",
    "HeijunkaError",
    "InvalidName",
    "InvalidOption",
    "InvalidSetting",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobNotFound",
    "NotEncodable",
    "NotInJob",
    "Overloaded",
    "PayloadTooLarge",
    "RedisAuthError",
    "RedisBusy",
    "RedisCannotPersist",
    "RedisDenied",
    "RedisEvicts",
    "RedisFull",
    "RedisReadOnly",
    "RedisTooOld",
    "RedisUnreachable",
    "Reject",
    "ResultNotKept",
    "ResultTimeout",
    "Retry",
    "ScriptError",
    "ScriptSourceError",
    "ServerBinaryNotFound",
    "ServerError",
    "ServerInUse",
    "ServerNotStarted",
    "ServerRefused",
    "Snooze",
    "SoftTimeout",
    "Steer",
    "Unconfirmed",
    "UndecodableArguments",
    "UndecodableJob",
    "UnknownSetting",
    "UnknownTask",
    "UnresolvedAnnotation",
    "WireError",
    "WorkerError",
    "WrongKeyType",
    "default_message",
    "text_of",
]

for _name in __all__:  # one name in tracebacks, dead letters and pickles, whatever file it stands in
    globals()[_name].__module__ = __name__
