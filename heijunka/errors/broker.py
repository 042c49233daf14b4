"""What Redis answers, in our words. The driver's and the server's own errors end in `heijunka.broker`."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


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
