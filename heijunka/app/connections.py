"""What an application needs of Redis, opened when it is first needed.

Which Redis: the configured one, else the user's embedded server. Importing an application connects to
nothing, and a fork opens its own connections.
"""

from __future__ import annotations

import threading
import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from heijunka.clock import wall_ms
from heijunka.keys import DomainKeys

if TYPE_CHECKING:
    import asyncio

    from heijunka.app.coalesce import Coalescer
    from heijunka.broker.aclient import AsyncClient
    from heijunka.broker.client import Client
    from heijunka.broker.subscription import Subscription
    from heijunka.config import Settings
    from heijunka.server import EmbeddedServer


class Connections:
    """The clients of one application.

    Parameters:
        settings: where Redis is, and how long to wait for it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: EmbeddedServer | None = None
        self._opening = threading.RLock()
        self._coalescers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Coalescer]] = (
            weakref.WeakKeyDictionary()
        )
        self._ahead_ms: int | None = None

    @cached_property
    def url(self) -> str:
        """Where Redis is; starts the embedded server when none is configured.

        Raises:
            ServerError: it is needed and does not start.
        """
        if self._settings.redis_url is not None:
            return self._settings.redis_url
        from heijunka.server import EmbeddedServer

        with self._opening:
            if self._server is None:
                self._server = EmbeddedServer(embedded=self._settings.embedded)
                self._server.acquire()
            return self._server.url

    @cached_property
    def client(self) -> Client:
        """Executes commands for threads."""
        from heijunka.broker.client import Client

        return Client(self.url, timeout_s=self._settings.redis_timeout_ms / 1_000)

    @cached_property
    def aclient(self) -> AsyncClient:
        """Executes commands for event loops."""
        from heijunka.broker.aclient import AsyncClient

        return AsyncClient(self.url, timeout_s=self._settings.redis_timeout_ms / 1_000)

    @cached_property
    def subscription(self) -> Subscription:
        """Tells of the ends of jobs; one connection for the whole process."""
        from heijunka.broker.subscription import Subscription

        with self._opening:
            return self.__dict__.get("subscription") or Subscription(self.url)

    def coalescer(self, keys: DomainKeys) -> Coalescer:
        """Gathers what the running event loop enqueues into one domain."""
        import asyncio

        from heijunka.app.coalesce import Coalescer

        of_loop = self._coalescers.setdefault(asyncio.get_running_loop(), {})
        if keys.domain not in of_loop:
            of_loop[keys.domain] = Coalescer(self.aclient, keys)
        return of_loop[keys.domain]

    def server_ms(self) -> int:
        """Now by Redis's clock, ms since the epoch; asked once, then derived from this host's clock."""
        if self._ahead_ms is None:
            seconds, micros = self.client.plain("TIME")
            self._ahead_ms = int(seconds) * 1_000 + int(micros) // 1_000 - wall_ms()
        return wall_ms() + self._ahead_ms

    def close(self) -> None:
        """Close what is open and give the embedded server back."""
        for name in ("subscription", "client"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
        self.__dict__.pop("aclient", None)
        self.__dict__.pop("url", None)
        server, self._server = self._server, None
        if server is not None:
            server.release()
