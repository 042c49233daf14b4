"""Execute commands over asyncio connections.

The same conversation as the blocking client's, driven with awaits. Connections belong to the event loop
they were made on; a cancelled call drops its connection and session, because whether it ran is unknown.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from redis import exceptions as driver

from heijunka.broker.client import DEFAULT_TIMEOUT_S, told_of_absence
from heijunka.broker.command import Command
from heijunka.broker.connection import Address
from heijunka.broker.conversation import Action, Patience, Reconnect, Session, packed, pause, talk
from heijunka.broker.faults import Again, again, unsent, wrapped

R = TypeVar("R")


class AsyncChannel:
    """One asyncio connection and the session of whoever uses it. For one call at a time."""

    def __init__(self, address: Address, timeout_s: float, told: Callable[[Exception], None] = lambda _: None) -> None:
        self._address, self._timeout_s, self._told = address, timeout_s, told
        self._connection = address.async_connection(timeout_s=timeout_s)
        self._session = Session()

    async def execute(self, command: Command[R], patience: Patience | None = None) -> R:
        """Carry one command through; see `Client.execute`."""
        patience = patience or Patience(self._timeout_s, told=self._told)
        steps = talk(command, self._session, patience, self._address.shown)
        answer: Any = None
        try:
            while True:
                answer = await self._done(steps.send(answer))
        except StopIteration as end:
            result: R = end.value
            return result

    async def plain(self, *words: bytes | str | float) -> Any:
        """Send one command of Redis's own; see `Client.plain`."""
        patience = Patience(self._timeout_s, told=self._told)
        message, pauses = packed(*words), 0
        while True:
            reply = await self._asked(message)
            if not isinstance(reply, Exception):
                return reply
            if again(reply) in {Again.NEVER, Again.LOAD} or patience.over():
                raise wrapped(reply, self._address.shown, None) from reply
            patience.told(reply)
            await asyncio.sleep(pause(pauses))
            pauses += 1

    async def close(self) -> None:
        """Close the connection; the next call opens another."""
        await self._connection.disconnect()

    async def _done(self, action: Action) -> Any:
        if isinstance(action, bytes):
            return await self._asked(action)
        if isinstance(action, Reconnect):
            await self._connection.disconnect()
        else:
            await asyncio.sleep(action)
        return None

    async def _asked(self, message: bytes) -> Any:
        connection = self._connection
        if not connection.is_connected:
            try:
                await connection.connect()
            except (driver.RedisError, OSError) as error:
                await connection.disconnect(nowait=True)
                return unsent(error)
            except BaseException:
                await connection.disconnect(nowait=True)  # of what is said first, half may have been said
                raise
        try:
            await connection.send_packed_command([message], check_health=False)
            return await connection.read_response()
        except (driver.ConnectionError, driver.TimeoutError, OSError) as error:
            await connection.disconnect(nowait=True)
            return error
        except driver.RedisError as error:
            return error
        except BaseException:
            self._session.renew()
            await connection.disconnect(nowait=True)
            raise


class AsyncClient:
    """Executes commands for the event loops of one process.

    Parameters:
        url: redis://, rediss:// or unix://.
        role: who we are in CLIENT LIST.
        timeout_s: how long a call may take in all, repetitions included, in seconds.
        away: called, on the event loop, whenever no connection could be made and the call goes on trying.
    """

    def __init__(
        self,
        url: str,
        *,
        role: str = "producer",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        away: Callable[[], None] | None = None,
    ) -> None:
        self._address, self._told = Address(url, role=role), told_of_absence(away)
        self._timeout_s = timeout_s
        self._idle: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, deque[AsyncChannel]] = (
            weakref.WeakKeyDictionary()
        )

    @property
    def url(self) -> str:
        """Where Redis is, without its password."""
        return self._address.shown

    async def execute(self, command: Command[R], patience: Patience | None = None) -> R:
        """Execute one command and return its typed reply.

        Parameters:
            command: what `heijunka.commands` built.
            patience: how long to go on; the client's timeout when left out.

        Raises:
            BrokerError: Redis answered with an error.
            RedisUnreachable: no connection could be made in time; nothing was sent.
            Unconfirmed: the reply did not come in time; the command may have been done.
        """
        idle = self._of_this_loop()
        channel = idle.pop() if idle else AsyncChannel(self._address, self._timeout_s, self._told)
        try:
            return await channel.execute(command, patience)
        finally:
            idle.append(channel)

    async def plain(self, *words: bytes | str | float) -> Any:
        """Send one command of Redis's own (TIME, INFO …) that is safe to repeat."""
        idle = self._of_this_loop()
        channel = idle.pop() if idle else AsyncChannel(self._address, self._timeout_s, self._told)
        try:
            return await channel.plain(*words)
        finally:
            idle.append(channel)

    def blocking(self, *, longest_s: float) -> AsyncChannel:
        """A channel of the caller's own on the running loop, for calls that block up to `longest_s` seconds."""
        return AsyncChannel(self._address, longest_s + self._timeout_s, self._told)

    async def close(self) -> None:
        """Close the idle connections of the running loop."""
        idle = self._of_this_loop()
        while idle:
            await idle.pop().close()

    def _of_this_loop(self) -> deque[AsyncChannel]:
        loop = asyncio.get_running_loop()
        if loop not in self._idle:
            for ended in [other for other in self._idle if other.is_closed()]:  # its connections keep it alive
                del self._idle[ended]
            self._idle[loop] = deque()
        return self._idle[loop]
