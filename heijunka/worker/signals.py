"""Signals as events of a loop.

A handler that did anything itself would do it in the middle of anything. So handlers do nothing: the
signal's number arrives on a socket that the loop selects on. Other threads wake the loop the same way.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any, Final, Self

_WAKE: Final = b"\0"


class Signals:
    """Receives signals while it is entered, in the main thread; then everything is as before.

    Parameters:
        wanted: what to receive.
        ignored: what to ignore.

    Example:
        >>> with Signals({signal.SIGTERM}) as signals:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     signals.received()
        [<Signals.SIGTERM: 15>]
    """

    def __init__(self, wanted: Iterable[signal.Signals], ignored: Iterable[signal.Signals] = ()) -> None:
        self._wanted, self._ignored = tuple(wanted), tuple(ignored)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._wanted:
            self._before[number] = signal.signal(number, _noted)
        for number in self._ignored:
            self._before[number] = signal.signal(number, signal.SIG_IGN)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def fileno(self) -> int:
        """For select."""
        return self._reader.fileno()

    def received(self) -> list[signal.Signals]:
        """The signals that came since the last call, in order."""
        numbers = bytearray()
        with contextlib.suppress(BlockingIOError):
            while part := self._reader.recv(4096):
                numbers += part
        return [signal.Signals(number) for number in numbers if number]

    def wake(self) -> None:
        """Wake the loop. From any thread; after the end it does nothing."""
        with contextlib.suppress(OSError):
            self._writer.send(_WAKE)

    def close(self) -> None:
        """Put everything back. A forked child calls this before anything else."""
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()
        self._reader.close()
        self._writer.close()


def _noted(number: int, frame: FrameType | None) -> None:
    """The wakeup fd has it already."""
