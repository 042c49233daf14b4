"""A connection that never makes its owner wait.

Who serves many callers must not stand still for one of them: what cannot be sent or read at once stays
for the next turn. Only connecting blocks, and only for as long as `CONNECT_S`.
"""

from __future__ import annotations

import ssl
import time
from typing import Any, Final

import hiredis
from redis import exceptions as driver

from heijunka.broker.connection import Address

CONNECT_S: Final = 5.0
BEAT_S: Final = 10.0

_NOTHING_YET: Final = object()
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_CHUNK: Final = 65_536


class Line:
    """One connection, its unsent bytes and its unparsed ones. For one thread.

    Parameters:
        address: where Redis is.
        beat_s: after that long without a word from Redis it is asked for one, and after that long
            without an answer the line counts as lost, in seconds. TCP alone would not notice for hours.
    """

    def __init__(self, address: Address, *, beat_s: float = BEAT_S) -> None:
        self._connection = address.connection(timeout_s=CONNECT_S)
        self._beat_s = beat_s
        self._socket: Any = None
        self._reader: Any = None
        self._unsent = bytearray()
        self._asked, self._since = False, 0.0

    def connect(self) -> None:
        """Connect, and say who we are.

        Raises:
            redis.RedisError, OSError: it did not work.
        """
        self.close()
        self._connection.connect()
        self._socket = self._connection._sock  # noqa: SLF001 - the driver has no public way to lend its socket
        self._socket.setblocking(False)
        self._reader = hiredis.Reader(
            protocolError=driver.InvalidResponse, replyError=driver.ResponseError, notEnoughData=_NOTHING_YET
        )
        self._asked, self._since = False, time.monotonic()

    def close(self) -> None:
        """Close the connection; what was not sent is forgotten."""
        self._unsent.clear()
        self._socket = self._reader = None
        self._connection.disconnect()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    def fileno(self) -> int:
        """The connection's file descriptor, for poll."""
        number: int = self._socket.fileno()
        return number

    @property
    def is_clogged(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._unsent)

    def say(self, *words: bytes | str) -> None:
        """Queue one command; `flush` sends it."""
        self._unsent += hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows one word
        if not self._asked:
            self._asked, self._since = True, time.monotonic()

    def flush(self) -> None:
        """Send what can be sent at once.

        Raises:
            OSError: the connection broke.
        """
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent[:_CHUNK])
            except _NOT_NOW:
                return
            del self._unsent[:sent]

    def heard(self) -> list[Any]:
        """The replies and messages that are here; an error among them is a value.

        Raises:
            redis.RedisError, OSError: the connection broke.
        """
        while True:
            try:
                data = self._socket.recv(_CHUNK)
            except _NOT_NOW:
                break
            if not data:
                raise driver.ConnectionError("Redis closed the connection")
            self._reader.feed(data)
            self._asked, self._since = False, time.monotonic()
        replies = []
        while (reply := self._reader.gets()) is not _NOTHING_YET:
            replies.append(reply)
        return replies

    def beat_in_s(self) -> float:
        """Seconds until `is_quiet` is worth asking again."""
        return max(0.0, self._since + self._beat_s - time.monotonic())

    def is_quiet(self) -> bool:
        """Whether Redis should be asked for a word (PING), because there was none for a beat.

        Raises:
            redis.TimeoutError: it was asked a beat ago and has not answered.
        """
        if self.beat_in_s() > 0:
            return False
        if self._asked:
            raise driver.TimeoutError(f"no answer within {self._beat_s:g} s")
        return True
