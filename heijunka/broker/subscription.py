"""Wait for keys to appear, without polling: one subscription connection for a whole process.

Whoever ends a job writes the record and then publishes on the channel of the key's own name. Any number
of threads and of tasks of any event loop may wait, for the same keys or others; the waiting itself is
done by one thread that starts with the first of them. A fork starts anew. Redis may go away meanwhile:
waits go on, and everything is looked at again when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from heijunka.broker.connection import Address
from heijunka.broker.faults import Unsent, unsent, wrapped
from heijunka.broker.line import BEAT_S, CONNECT_S
from heijunka.broker.listener import LINGER_S, Listener
from heijunka.broker.watch import Waiter
from heijunka.errors import HeijunkaError

ONE_LOOK_S: Final = 1.0
"""A wait that is over before Redis answered its first look gets up to that long for it in all, so that a
timeout of 0 is a look."""


class Subscription:
    """Waits for keys on behalf of one process.

    Parameters:
        url: redis://, rediss:// or unix://.
        role: who we are in CLIENT LIST.
        linger_s: after that long without anybody waiting, thread and connections end, in seconds.
        beat_s: how long Redis may be silent before it is asked for a word, and then before its
            connection counts as lost, in seconds.

    Raises:
        InvalidSetting: the URL has another scheme or cannot be read.

    Example:
        >>> subscription = Subscription("redis://localhost:6379/0")
        >>> subscription.wait(keys.result(job_id), 5)  # doctest: +SKIP
    """

    def __init__(self, url: str, *, role: str = "waiter", linger_s: float = LINGER_S, beat_s: float = BEAT_S) -> None:
        self._address = Address(url, role=role)
        self._linger_s, self._beat_s = linger_s, beat_s
        self._listener: Listener | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()

    # -- waiting -------------------------------------------------------------------------------

    def wait(self, key: str, timeout: float | None = None) -> bytes | None:
        """Wait until `key` holds something.

        Parameters:
            key: what to wait for, also the channel it is announced on.
            timeout: seconds; None for ever, 0 looks once. With Redis away the wait goes on until then.

        Returns:
            What it holds, or None when time was over.

        Raises:
            RedisUnreachable, RedisBusy: time was over, and Redis was away or did not answer.
            RedisAuthError, RedisDenied, WrongKeyType: Redis refuses us; waiting longer would not help.
            Closed: `close` was called meanwhile.
        """
        return self.wait_all((key,), timeout)[0]

    def wait_all(self, keys: Sequence[str], timeout: float | None = None) -> list[bytes | None]:
        """Wait until all of `keys` hold something; they are asked for together. See `wait`.

        Returns:
            What each holds, in order; None for those that held nothing when time was over.

        Example:
            >>> records = subscription.wait_all([keys.result(job.id) for job in jobs], 60)  # doctest: +SKIP
        """
        waiter, end = _waiter(keys), _End(timeout)
        try:
            self._serve(waiter)
            if not _resolved(waiter, end.left_s()) and waiter.unseen:
                waiter.hurry()
                _resolved(waiter, end.grace_s())
            return self._found(waiter, keys)
        finally:
            self._leave(waiter)

    async def awaited(self, key: str, timeout: float | None = None) -> bytes | None:  # noqa: ASYNC109 - as `wait`
        """Wait until `key` holds something, without blocking the event loop. See `wait`."""
        return (await self.awaited_all((key,), timeout))[0]

    async def awaited_all(self, keys: Sequence[str], timeout: float | None = None) -> list[bytes | None]:  # noqa: ASYNC109 - as `wait`
        """Wait until all of `keys` hold something, without blocking the event loop. See `wait_all`."""
        waiter, end = _waiter(keys), _End(timeout)
        resolved = asyncio.wrap_future(waiter)
        try:
            self._serve(waiter)
            await asyncio.wait((resolved,), timeout=end.left_s())
            if not waiter.done() and waiter.unseen:
                waiter.hurry()
                await asyncio.wait((resolved,), timeout=end.grace_s())
            return self._found(waiter, keys)
        finally:
            if not resolved.cancel() and not resolved.cancelled():
                resolved.exception()  # seen: the event loop need not report it
            self._leave(waiter)

    def close(self) -> None:
        """End thread and connections, and every wait with `Closed`. A later wait starts them again."""
        self._begin_anew_after_fork()
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close(2 * CONNECT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # -- inside --------------------------------------------------------------------------------

    def _serve(self, waiter: Waiter) -> None:
        self._begin_anew_after_fork()
        with self._lock:
            if not waiter.missing:
                waiter.weigh()
            elif self._listener is None or not self._listener.take(waiter):
                self._listener = Listener(self._address, linger_s=self._linger_s, beat_s=self._beat_s)
                self._listener.start(waiter)

    def _leave(self, waiter: Waiter) -> None:
        listener = self._listener
        if waiter.missing and listener is not None:
            listener.leave(waiter)

    def _found(self, waiter: Waiter, keys: Sequence[str]) -> list[bytes | None]:
        if waiter.done():
            waiter.result()
        elif waiter.unseen:
            raise self._away()
        return [waiter.found.get(key.encode()) for key in keys]

    def _away(self) -> HeijunkaError:
        trouble = self._listener.trouble if self._listener is not None else None
        cause = trouble if isinstance(trouble, Unsent) else unsent(trouble or TimeoutError("no answer"))
        return wrapped(cause, self._address.shown, None)

    def _begin_anew_after_fork(self) -> None:
        if self._pid != os.getpid():
            copied, self._listener = self._listener, None
            self._lock, self._pid = threading.Lock(), os.getpid()
            if copied is not None:
                copied.let_go()


class _End:
    """When a wait is over, by this process's monotonic clock."""

    def __init__(self, timeout: float | None) -> None:
        self._begun = time.monotonic()
        self._timeout = None if timeout is None else max(0.0, timeout)

    def left_s(self) -> float | None:
        """Seconds left; None for ever."""
        return None if self._timeout is None else max(0.0, self._begun + self._timeout - time.monotonic())

    def grace_s(self) -> float:
        """Seconds left of the one look that every wait gets."""
        return max(0.0, self._begun + ONE_LOOK_S - time.monotonic())


def _waiter(keys: Sequence[str]) -> Waiter:
    return Waiter(key.encode() for key in keys)


def _resolved(waiter: Waiter, timeout_s: float | None) -> bool:
    with contextlib.suppress(TimeoutError):
        waiter.exception(timeout_s)
    return waiter.done()
