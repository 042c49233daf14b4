"""Connections come from here, and only from here.

The driver's own retries are off (it would repeat a script without knowing whether that is safe), names
are set for CLIENT LIST, and replies are RESP2 bytes. Blocking calls get connections of their own whose
socket timeout is longer than the block.
"""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from heijunka.broker.faults import unsent, wrapped
from heijunka.config import redact_url
from heijunka.errors import InvalidSetting

SCHEMES = ("redis", "rediss", "unix")


class Address:
    """Where Redis is and how we introduce ourselves.

    Parameters:
        url: redis://, rediss:// or unix://.
        role: shown in CLIENT LIST as `hj:<role>:<host>:<pid>`.

    Raises:
        InvalidSetting: the URL has another scheme or cannot be read.

    Example:
        >>> Address("redis://:secret@localhost/0", role="producer").shown
        'redis://:***@localhost/0'
    """

    def __init__(self, url: str, *, role: str) -> None:
        self.url, self.role = url, role
        self.shown = redact_url(url)
        if urlsplit(url).scheme not in SCHEMES:
            raise self._invalid("has no known scheme", hint="write redis://host:6379/0, rediss://… or unix:///a.sock")

    def connection(self, *, timeout_s: float | None) -> Any:
        """A new, not yet connected, blocking connection whose socket gives up after `timeout_s`."""
        return self._made(redis.ConnectionPool, Retry(NoBackoff(), 0), timeout_s)

    def async_connection(self, *, timeout_s: float | None) -> Any:
        """A new, not yet connected, asyncio connection whose socket gives up after `timeout_s`."""
        return self._made(redis.asyncio.ConnectionPool, AsyncRetry(NoBackoff(), 0), timeout_s)

    def _made(self, pool: Any, retry: Any, timeout_s: float | None) -> Any:
        try:
            return pool.from_url(
                self.url,
                protocol=2,
                retry=retry,
                socket_timeout=timeout_s,
                socket_connect_timeout=min(5.0, timeout_s or 5.0),
                health_check_interval=0,
                client_name=f"hj:{self.role}:{socket.gethostname()}:{os.getpid()}".replace(" ", "-"),
            ).make_connection()
        except ValueError:  # its text may quote a part of the password
            raise self._invalid("cannot be read", hint="write redis://user:password@host:6379/0") from None
        except OSError as error:  # the driver reads a file for its version, and no descriptor may be left
            raise wrapped(unsent(error), self.shown, None) from error

    def _invalid(self, what: str, hint: str | None = None) -> InvalidSetting:
        return InvalidSetting(f"redis_url {self.shown!r} {what}", hint=hint, setting="redis_url", origin="argument")
