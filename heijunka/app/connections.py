"""What an application needs of Redis, opened when it is first needed.

Which Redis: the configured one, else the user's embedded server. Importing an application connects to
nothing, and a fork opens its own connections. An embedded server that died is brought back by the first call that finds
it gone. On an event loop, `opened` comes first: starting that server takes longer than a loop may stand still.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Self

from heijunka.app.redisclock import SPARE_MS, RedisClock
from heijunka.keys import DomainKeys

if TYPE_CHECKING:
    from heijunka.app.coalesce import Coalescer
    from heijunka.broker.aclient import AsyncClient
    from heijunka.broker.client import Client
    from heijunka.broker.subscription import Subscription
    from heijunka.config import Settings
    from heijunka.server import Upkeep


class Connections:
    """The clients of one application.

    Parameters:
        settings: where Redis is, and how long to wait for it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._upkeep: Upkeep | None = None
        self._opening = threading.RLock()
        self._coalescers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Coalescer]] = (
            weakref.WeakKeyDictionary()
        )
        self._clock = RedisClock()

    @cached_property
    def url(self) -> str:
        """Where Redis is; starts the embedded server when none is configured.

        Raises:
            ServerError: it is needed and does not start.
        """
        if self._settings.redis_url is not None:
            return self._settings.redis_url
        from heijunka.server import EmbeddedServer, Upkeep

        with self._opening:
            if self._upkeep is None:
                self._upkeep = Upkeep(EmbeddedServer(embedded=self._settings.embedded))
            return self._upkeep.url

    @property
    def uses_embedded_server(self) -> bool:
        """Whether `url` is the embedded server's."""
        return self._upkeep is not None

    async def opened(self) -> Self:
        """Itself, when it knows where Redis is, so that nothing asked of it next blocks the running event loop.

        Raises:
            ServerError: the embedded server is needed and does not start.
        """
        if "url" not in self.__dict__ and self._settings.redis_url is None:
            await asyncio.to_thread(getattr, self, "url")
        return self

    @cached_property
    def client(self) -> Client:
        """Executes commands for threads."""
        from heijunka.broker.client import Client

        url, upkeep = self.url, self._upkeep
        return Client(url, timeout_s=self._timeout_s, away=upkeep.bring_back if upkeep else None)

    @cached_property
    def aclient(self) -> AsyncClient:
        """Executes commands for event loops."""
        from heijunka.broker.aclient import AsyncClient

        url, upkeep = self.url, self._upkeep
        return AsyncClient(url, timeout_s=self._timeout_s, away=upkeep.begin_to_bring_back if upkeep else None)

    @cached_property
    def subscription(self) -> Subscription:
        """Tells of the ends of jobs; one connection for the whole process."""
        from heijunka.broker.subscription import Subscription

        with self._opening:
            return self.__dict__.get("subscription") or Subscription(self.url)

    def coalescer(self, keys: DomainKeys) -> Coalescer:
        """Gathers what the running event loop enqueues into one domain."""
        from heijunka.app.coalesce import Coalescer

        of_loop = self._coalescers.setdefault(asyncio.get_running_loop(), {})
        if keys.domain not in of_loop:
            of_loop[keys.domain] = Coalescer(self.aclient, keys)
        return of_loop[keys.domain]

    def server_ms(self) -> int:
        """Now by Redis's clock, ms since the epoch; mostly told by this host's."""
        now_ms = self._clock.now_ms()
        return self._clock.heard(self.client.plain("TIME")) if now_ms is None else now_ms

    async def aserver_ms(self) -> int:
        """Now by Redis's clock, ms since the epoch. See `server_ms`, which for a while needs not ask after this."""
        now_ms = self._clock.now_ms(spare_ms=SPARE_MS)
        return self._clock.heard(await (await self.opened()).aclient.plain("TIME")) if now_ms is None else now_ms

    def close(self) -> None:
        """Close what is open and give the embedded server back. Event loops' connections are left to `aclose`."""
        for name in ("subscription", "client"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
        self._coalescers.clear()
        self.__dict__.pop("aclient", None)
        self.__dict__.pop("url", None)
        upkeep, self._upkeep = self._upkeep, None
        if upkeep is not None:
            upkeep.end()

    async def aclose(self) -> None:
        """Close what is open, the running event loop's connections included. Those of other loops stay open."""
        await self.close_here()
        await asyncio.to_thread(self.close)

    async def close_here(self) -> None:
        """Close the idle connections of the running event loop, and nobody else's."""
        aclient: AsyncClient | None = self.__dict__.get("aclient")
        if aclient is not None:
            await aclient.close()

    @property
    def _timeout_s(self) -> float:
        return self._settings.redis_timeout_ms / 1_000
