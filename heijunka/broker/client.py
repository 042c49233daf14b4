"""Execute commands over blocking connections.

A call has a channel (a connection and a numbered session) to itself while it runs; idle channels wait
in a pool. A fork starts with an empty pool: two processes never share a connection or a session.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from redis import exceptions as driver

from heijunka.broker.command import Command
from heijunka.broker.connection import Address
from heijunka.broker.conversation import Action, Patience, Reconnect, Session, Talk, packed, pause, talk
from heijunka.broker.faults import Again, Unsent, again, unsent, wrapped
from heijunka.errors import HeijunkaError

R = TypeVar("R")

DEFAULT_TIMEOUT_S = 5.0


def told_of_absence(away: Callable[[], None] | None) -> Callable[[Exception], None]:
    """What a `Patience` tells of failed tries, narrowed to those for which no connection could be made."""

    def told(error: Exception) -> None:
        if away is not None and isinstance(error, Unsent):
            away()

    return told


class Channel:
    """One connection and the session of whoever uses it. For one thread at a time."""

    def __init__(
        self,
        address: Address,
        timeout_s: float,
        socket_timeout_s: float | None = None,
        told: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._address, self._timeout_s, self._told = address, timeout_s, told
        self._connection = address.connection(timeout_s=socket_timeout_s or timeout_s)
        self._open = False
        self._session = Session()
        self._owed: tuple[Command[Any], Talk[Any]] | None = None
        self._again: Command[Any] | None = None
        self._known: set[str] = set()

    def execute(self, command: Command[R], patience: Patience | None = None) -> R:
        """Carry one command through; see `Client.execute`."""
        if self._again is not None:
            self._redo()
        patience = patience or Patience(self._timeout_s, told=self._told)
        return self._driven(talk(command, self._session, patience, self._address.shown))

    def post(self, command: Command[Any], patience: Patience | None = None) -> None:
        """Send one command without waiting for its reply; see `Client.post`."""
        if not (self._open and command.script in self._known) or self._owed or self._again:
            self.execute(command, patience)
            self._known.add(command.script)
            return
        steps = talk(command, self._session, patience or Patience(self._timeout_s), self._address.shown)
        message = next(steps)
        assert isinstance(message, bytes)  # noqa: S101 - a talk begins with what is to be sent
        self._owed = command, steps
        try:
            self._connection.send_packed_command([message], check_health=False)
        except (driver.ConnectionError, driver.TimeoutError, OSError):
            self.close()
            self._again = None
            self.execute(command, patience)
        except BaseException:
            self.close()  # half of it may have been sent
            raise

    def plain(self, *words: bytes | str | float, patience: Patience | None = None) -> Any:
        """Send one command of Redis's own (INFO, BLPOP …), repeated until `patience` ends."""
        patience = patience or Patience(self._timeout_s, told=self._told)
        message, pauses = packed(*words), 0
        while True:
            reply = self._asked(message)
            if not isinstance(reply, Exception):
                return reply
            if again(reply) in {Again.NEVER, Again.LOAD} or patience.over():
                raise wrapped(reply, self._address.shown, None) from reply
            patience.told(reply)
            time.sleep(pause(pauses))
            pauses += 1

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._open = False
        self._known.clear()
        if self._owed is not None:
            (self._again, _), self._owed = self._owed, None  # whether it was done is unknown
        self._connection.disconnect()

    def interrupt(self) -> None:
        """End the call that another thread has under way, if its request was sent: it meets a broken connection."""
        under_way = self._connection._sock  # noqa: SLF001 - the driver has no way that leaves its state to its thread
        if under_way is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(under_way, socket.SHUT_RDWR)  # not TLS's own, which is not for two threads

    def _driven(self, steps: Talk[R]) -> R:
        answer: Any = None
        try:
            while True:
                answer = self._done(steps.send(answer))
        except StopIteration as end:
            result: R = end.value
            return result

    def _done(self, action: Action) -> Any:
        if isinstance(action, bytes):
            return self._asked(action)
        if isinstance(action, Reconnect):
            self.close()
        else:
            time.sleep(action)
        return None

    def _asked(self, message: bytes) -> Any:
        connection = self._connection
        try:
            if not self._open:
                connection.connect()
                self._open = True
        except (driver.RedisError, OSError) as error:
            self.close()
            return unsent(error)
        except BaseException:
            self.close()  # of what is said first, half may have been said
            raise
        try:
            connection.send_packed_command([message], check_health=False)
            if self._owed is not None:
                self._conclude()
            return connection.read_response()
        except (driver.ConnectionError, driver.TimeoutError, OSError) as error:
            self.close()
            return error
        except driver.RedisError as error:
            return error
        except BaseException:
            self.close()  # half a reply may be on its way, and whether the call ran is unknown
            self._session.renew()
            raise

    def _conclude(self) -> None:
        """Read the reply to what was posted. What it asks for besides has to wait: another call is under way."""
        assert self._owed is not None  # noqa: S101 - who calls has looked
        command, steps = self._owed
        try:
            answer = self._connection.read_response()
        except (driver.ConnectionError, driver.TimeoutError):
            raise
        except driver.RedisError as error:
            answer = error
        self._owed = None
        try:
            steps.send(answer)
        except StopIteration:
            return
        except HeijunkaError:
            return
        self._again = command

    def _redo(self) -> None:
        command, self._again = self._again, None
        assert command is not None  # noqa: S101 - who calls has looked
        with contextlib.suppress(HeijunkaError):
            self._driven(talk(command, self._session, Patience(0), self._address.shown))


class Client:
    """Executes commands for the threads of one process.

    Parameters:
        url: redis://, rediss:// or unix://.
        role: who we are in CLIENT LIST, e.g. "producer".
        timeout_s: how long a call may take in all, repetitions included, in seconds.
        away: called whenever no connection could be made and the call goes on trying.

    Example:
        >>> client = Client("redis://localhost:6379/0")
        >>> client.execute(commands.depths(domain_keys("shop", "payment")))  # doctest: +SKIP
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
        self._idle: deque[Channel] = deque()
        self._pid = os.getpid()

    @property
    def url(self) -> str:
        """Where Redis is, without its password."""
        return self._address.shown

    def execute(self, command: Command[R], patience: Patience | None = None) -> R:
        """Execute one command and return its typed reply.

        Parameters:
            command: what `heijunka.commands` built.
            patience: how long to go on; the client's timeout when left out.

        Raises:
            BrokerError: Redis answered with an error.
            RedisUnreachable: no connection could be made in time; nothing was sent.
            Unconfirmed: the reply did not come in time; the command may have been done.
        """
        channel = self._taken()
        try:
            return channel.execute(command, patience)
        finally:
            self._idle.append(channel)

    def post(self, command: Command[Any], patience: Patience | None = None) -> None:
        """Send one command, and read its reply together with that of the next call on its connection.

        For what nobody waits for and what happens anyway, only later, if it is lost: a process that makes no other call
        never hears of it. What was lost otherwise (the connection broke, the script had to be loaded) is sent again
        before the next call, with a new number: the command must bear being done twice.

        Parameters:
            command: what `heijunka.commands` built.
            patience: how long to go on where it cannot be sent at once; the client's timeout when left out.

        Raises:
            BrokerError: as `execute`, where it could not be sent at once, the first time on each connection included.
        """
        channel = self._taken()
        try:
            channel.post(command, patience)
        finally:
            self._idle.append(channel)

    def plain(self, *words: bytes | str | float) -> Any:
        """Send one command of Redis's own (INFO, CONFIG GET …) that is safe to repeat."""
        channel = self._taken()
        try:
            return channel.plain(*words)
        finally:
            self._idle.append(channel)

    def channel(self) -> Channel:
        """A channel of the caller's own, for a loop that calls all the time."""
        return Channel(self._address, self._timeout_s, told=self._told)

    def blocking(self, *, longest_s: float) -> Channel:
        """A channel of the caller's own, for calls that block up to `longest_s` seconds."""
        return Channel(self._address, self._timeout_s, longest_s + self._timeout_s, self._told)

    def close(self) -> None:
        """Close every idle connection."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _taken(self) -> Channel:
        if self._pid != os.getpid():
            self._idle, self._pid = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return Channel(self._address, self._timeout_s, told=self._told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
