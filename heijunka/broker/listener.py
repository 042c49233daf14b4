"""The thread that waits on behalf of everybody.

It alone touches the connections, one that is subscribed and one that looks, so no waiting thread or
event loop ever blocks in a socket, and a wait that is interrupted at any point cannot leave a half-sent
command behind. Others leave it messages and ring. With nobody to serve for a while it ends.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from redis import exceptions as driver

from heijunka.broker.connection import Address
from heijunka.broker.conversation import pause
from heijunka.broker.faults import Again, again, unsent, wrapped
from heijunka.broker.line import BEAT_S, Line
from heijunka.broker.watch import Waiter, Watch
from heijunka.errors import Closed, HeijunkaError

LINGER_S: Final = 30.0


class Listener:
    """One thread, its two connections and whom it serves.

    Parameters:
        address: where Redis is.
        linger_s: after that long with nobody to serve it ends, in seconds.
        beat_s: see `Line`.

    Attributes:
        trouble: what is wrong with the connection, None while nothing is.
    """

    def __init__(self, address: Address, *, linger_s: float = LINGER_S, beat_s: float = BEAT_S) -> None:
        self.trouble: Exception | None = None
        self._address, self._linger_s = address, linger_s
        self._ears, self._eyes = Line(address, beat_s=beat_s), Line(address, beat_s=beat_s)
        self._watch = Watch()
        self._asked: deque[bytes | None] = deque()  # None stands for a PING
        self._inbox: deque[tuple[Callable[[Waiter], None], Waiter]] = deque()
        self._gate = threading.Lock()  # between taking somebody on and ending
        self._ended = self._closing = False
        self._failures, self._retry_at, self._idle_since = 0, 0.0, time.monotonic()
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="heijunka-listener", daemon=True)

    # -- for any thread ------------------------------------------------------------------------

    def start(self, waiter: Waiter) -> None:
        """Start the thread, with `waiter` as the first it serves."""
        self._inbox.append((self._watch.take, waiter))
        self._thread.start()

    def take(self, waiter: Waiter) -> bool:
        """Serve `waiter`; False when this listener has ended and another is needed."""
        with self._gate:
            if self._ended or self._closing or not self._thread.is_alive():
                return False
            self._inbox.append((self._watch.take, waiter))
        self._ring()
        return True

    def leave(self, waiter: Waiter) -> None:
        """Serve `waiter` no more."""
        self._inbox.append((self._watch.leave, waiter))
        self._ring()

    def close(self, timeout_s: float) -> None:
        """End, and end every wait with `Closed`; wait up to `timeout_s` seconds until it is done."""
        with self._gate:
            self._closing = True
        self._ring()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def let_go(self) -> None:
        """Close what is open. In a fork these are copies, and the parent's connections live on."""
        for held in (self._ears, self._eyes, self._bell, self._ringer):
            with contextlib.suppress(OSError):
                held.close()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it rings already; closed: nobody is left to hear it
            self._ringer.send(b"\0")

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._is_needed():
                try:
                    self._turn()
                except (driver.RedisError, OSError) as error:
                    self._lost(error)
            self._end(lambda: Closed("the wait was given up, because its connection was closed here"))
        except BaseException as bug:
            reason = repr(bug)
            self._end(lambda: HeijunkaError(f"the thread that waits for results failed: {reason}"))
            raise
        finally:
            self.let_go()

    def _is_needed(self) -> bool:
        if self._closing:
            return False
        if self._watch or self._inbox or time.monotonic() < self._idle_since + self._linger_s:
            return True
        with self._gate:
            self._ended = not self._inbox
            return not self._ended

    def _end(self, error: Callable[[], Exception]) -> None:
        with self._gate:
            self._ended = True
        self._read_inbox()
        self._watch.fail(error)

    def _turn(self) -> None:
        self._read_inbox()
        if self._watch and not self._ears.is_open and time.monotonic() >= self._retry_at:
            self._connect()
        if self._ears.is_open:
            self._speak()
        self._sleep()
        if self._ears.is_open:
            for message in self._ears.heard():
                self._announced(message)
            for reply in self._eyes.heard():
                self._looked(reply)

    def _read_inbox(self) -> None:
        while self._inbox:
            deed, waiter = self._inbox.popleft()
            deed(waiter)
            self._idle_since = time.monotonic()

    def _connect(self) -> None:
        try:
            self._eyes.connect()
            self._ears.connect()
        except (driver.RedisError, OSError) as error:
            away = unsent(error)
            self._lost(away)
            self._watch.fail(lambda: wrapped(away, self._address.shown, None), hurried_only=True)
        else:
            self.trouble = None

    def _speak(self) -> None:
        for verb, channels in self._watch.calls():
            self._ears.say(verb, *channels)
        for key in self._watch.looks():
            self._eyes.say("GET", key)
            self._asked.append(key)
        if self._watch and self._ears.is_quiet():
            self._ears.say("PING")
        if self._watch and self._eyes.is_quiet():
            self._eyes.say("PING")
            self._asked.append(None)  # a PING
        self._ears.flush()
        self._eyes.flush()

    def _sleep(self) -> None:
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if self._ears.is_open:
            for line in (self._ears, self._eyes):
                poll.register(line, select.POLLIN | (select.POLLOUT if line.is_clogged else 0))
        poll.poll(max(0.0, self._longest_sleep_s()) * 1_000 + 1)
        with contextlib.suppress(BlockingIOError):
            while self._bell.recv(4_096):
                pass

    def _longest_sleep_s(self) -> float:
        if not self._watch:
            return self._idle_since + self._linger_s - time.monotonic()
        if self._ears.is_open:
            return min(self._ears.beat_in_s(), self._eyes.beat_in_s())
        return self._retry_at - time.monotonic()

    def _announced(self, message: Any) -> None:
        if isinstance(message, driver.RedisError):
            if self._watch.is_subscribing:  # else it answers a PING, and any answer will do
                raise message
        elif message[0] == b"message":
            self._watch.announced(message[1])
        elif message[0] == b"subscribe":
            self._watch.confirmed(message[1])

    def _looked(self, reply: Any) -> None:
        key = self._asked.popleft()
        if key is None:  # a PING's
            return  # MISCONF and NOPERM are answers too
        if not isinstance(reply, driver.RedisError):
            self._failures = 0
            self._watch.looked(key, reply)
        elif again(reply) is Again.NEVER:
            self._watch.unreadable(key, lambda: wrapped(reply, self._address.shown, None))
        else:
            raise reply

    def _lost(self, error: Exception) -> None:
        self._ears.close()
        self._eyes.close()
        self._asked.clear()
        self._watch.disconnected()
        self.trouble = error
        if again(error) is Again.NEVER:
            self._watch.fail(lambda: wrapped(error, self._address.shown, None))
        self._retry_at = time.monotonic() + pause(self._failures)
        self._failures += 1
