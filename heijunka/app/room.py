"""Let the coroutines of one event loop wait for room in one domain, over one connection.

A ring of the domain's bell wakes the one that has waited longest. When it gets in, the script rings again as long as
there is room, so a single ring lets in as many as fit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from heijunka.errors import HeijunkaError

if TYPE_CHECKING:
    from heijunka.broker.aclient import AsyncClient

LISTEN_S: Final = 1.0


class Room:
    """The bell of one domain on one event loop.

    Parameters:
        client: opens the connection.
        key: of the bell.
    """

    def __init__(self, client: AsyncClient, key: str) -> None:
        self._client, self._key = client, key
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._listener: asyncio.Task[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Wait for a ring, at most so many seconds.

        Raises:
            BrokerError: Redis cannot be reached.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="heijunka-room")
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(future, seconds)
        finally:
            if future in self._waiting:
                self._waiting.remove(future)

    async def _listen(self) -> None:
        channel = self._client.blocking(longest_s=LISTEN_S)
        try:
            while self._waiting:
                heard = await channel.plain("BLPOP", self._key, f"{LISTEN_S:.3f}")
                if heard is not None:
                    self._wake(None)
        except HeijunkaError as error:
            while self._waiting:
                self._wake(error)
        finally:
            await channel.close()

    def _wake(self, error: Exception | None) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
                return
