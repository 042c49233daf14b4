"""Concurrent `aenqueue` calls of one event loop share round trips.

While one call is under way the next ones gather; they go together when it has answered. A lone call
waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from heijunka import commands
from heijunka.app.outgoing import BATCH, Outgoing, accepted_ms, flat
from heijunka.keys import DomainKeys

if TYPE_CHECKING:
    from heijunka.broker.aclient import AsyncClient


class Coalescer:
    """Gathers the jobs of one domain on one event loop.

    Parameters:
        client: executes the calls.
        keys: of the domain.
    """

    def __init__(self, client: AsyncClient, keys: DomainKeys) -> None:
        self._client, self._keys = client, keys
        self._waiting: list[tuple[Sequence[Outgoing], asyncio.Future[int]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def add(self, outgoing: Sequence[Outgoing]) -> int:
        """Send jobs with the next call and return when Redis accepted them (ms)."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._waiting.append((outgoing, future))
        if self._sender is None:
            self._sender = loop.create_task(self._send(), name="heijunka-enqueue")
            self._sender.add_done_callback(self._ended)
        return await future

    async def _send(self) -> None:
        batch: list[tuple[Sequence[Outgoing], asyncio.Future[int]]] = []
        try:
            while self._waiting:
                batch = self._batch()
                try:
                    words = [word for outgoing, _ in batch for word in flat(outgoing)]
                    at_ms = accepted_ms(await self._client.execute(commands.enqueue(self._keys, words)))
                except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for _, future in batch:
                        if not future.done():
                            future.set_result(at_ms)
        finally:
            self._give_up(batch)

    def _ended(self, sender: asyncio.Task[None]) -> None:
        if self._sender is sender:  # it was cancelled before its first step, so it gave nothing up
            self._give_up(())

    def _give_up(self, batch: Sequence[tuple[Sequence[Outgoing], asyncio.Future[int]]]) -> None:
        """The sender ends. Somebody still waits only if every task of the loop is being cancelled."""
        self._sender = None
        for _, future in (*batch, *self._waiting):
            future.cancel()
        self._waiting.clear()

    def _batch(self) -> list[tuple[Sequence[Outgoing], asyncio.Future[int]]]:
        jobs, calls = 0, 0
        for outgoing, _ in self._waiting:
            jobs += len(outgoing)
            if calls and jobs > BATCH:
                break
            calls += 1
        batch, self._waiting = self._waiting[:calls], self._waiting[calls:]
        return batch
