"""Concurrent `aenqueue` calls of one event loop share round trips.

While one call is under way the next ones gather; they go together when it has answered. A lone call
waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from heijunka import commands
from heijunka.app.outgoing import BATCH, Outgoing, flat
from heijunka.app.room import Room
from heijunka.app.sending import not_overtaken
from heijunka.broker.command import Command
from heijunka.commands import Accepted, Overtaken, Refused
from heijunka.keys import DomainKeys

if TYPE_CHECKING:
    from heijunka.broker.aclient import AsyncClient
    from heijunka.commands.enqueue import Reason


class Call(msgspec.Struct, eq=False):
    """One call that waits for its turn.

    Attributes:
        outgoing: its jobs.
        future: told what became of them.
        partial: whether some of them may be accepted without the others; true of a lone job.
        waits_ms: how long it will wait for room.
    """

    outgoing: Sequence[Outgoing]
    future: asyncio.Future[Accepted | Refused]
    partial: bool
    waits_ms: int

    @property
    def alone(self) -> bool:
        """Whether it shares no round trip, because all of its jobs must be accepted, or none."""
        return not self.partial and len(self.outgoing) > 1


class Coalescer:
    """Gathers the jobs of one domain on one event loop.

    Parameters:
        client: executes the calls.
        keys: of the domain.

    Attributes:
        room: where calls wait that were refused.
    """

    def __init__(self, client: AsyncClient, keys: DomainKeys) -> None:
        self._client, self._keys = client, keys
        self._waiting: list[Call] = []
        self._sender: asyncio.Task[None] | None = None
        self.room = Room(client, keys.room)

    async def add(
        self, outgoing: Sequence[Outgoing], *, partial: bool = False, waits_ms: int = 0
    ) -> Accepted | Refused:
        """Send jobs with the next call and return what became of them."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Accepted | Refused] = loop.create_future()
        self._waiting.append(Call(outgoing, future, partial, waits_ms))
        if self._sender is None:
            self._sender = loop.create_task(self._send(), name="heijunka-enqueue")
            self._sender.add_done_callback(self._ended)
        return await future

    async def _send(self) -> None:
        batch: list[Call] = []
        try:
            while self._waiting:
                batch = self._batch()
                try:
                    reply = await self._client.execute(self._command(batch))
                    if not isinstance(reply, Accepted):
                        reply = not_overtaken(reply)
                except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                    for call in batch:
                        if not call.future.done():
                            call.future.set_exception(error)
                else:
                    _tell(batch, reply)
        finally:
            self._give_up(batch)

    def _command(self, batch: Sequence[Call]) -> Command[Accepted | Refused | Overtaken]:
        words = [word for call in batch for word in flat(call.outgoing)]
        return commands.enqueue(
            self._keys, words, partial=not batch[0].alone, waits_ms=max(call.waits_ms for call in batch)
        )

    def _ended(self, sender: asyncio.Task[None]) -> None:
        if self._sender is sender:  # it was cancelled before its first step, so it gave nothing up
            self._give_up(())

    def _give_up(self, batch: Sequence[Call]) -> None:
        """The sender ends. Somebody still waits only if every task of the loop is being cancelled."""
        self._sender = None
        for call in (*batch, *self._waiting):
            call.future.cancel()
        self._waiting.clear()

    def _batch(self) -> list[Call]:
        jobs, calls = 0, 0
        for call in self._waiting:
            jobs += len(call.outgoing)
            if calls and (jobs > BATCH or call.alone):
                break
            calls += 1
            if call.alone:
                break
        batch, self._waiting = self._waiting[:calls], self._waiting[calls:]
        return batch


def _tell(batch: Sequence[Call], reply: Accepted | Refused) -> None:
    """Tell each call what became of its own jobs."""
    reasons = dict(reply.refused) if isinstance(reply, Accepted) else {}
    first = 0
    for call in batch:
        mine: Accepted | Refused = reply
        if isinstance(reply, Accepted) and reasons:
            places = range(first, first + len(call.outgoing))
            out: tuple[tuple[int, Reason], ...] = tuple(
                (place - first, reasons[place]) for place in places if place in reasons
            )
            mine = Accepted(reply.at_ms, reply.gauge, out)
            if out and not call.partial and reply.gauge is not None:
                mine = Refused(out[0][1], reply.gauge)
        first += len(call.outgoing)
        if not call.future.done():
            call.future.set_result(mine)
