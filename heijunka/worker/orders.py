"""What a worker is told by signals, as numbers in a queue that a thread of its own takes them from.

Two ways lead there, because each has a gap. Python runs handlers in the main thread alone, but the kernel may hand a
signal to any other one, and then a main thread that waits for a job is not woken; of two signals that come at once
that happens to the second. The wakeup fd is written by whichever thread is interrupted, but an event loop that a task
runs may take it for itself. So an order may come twice, and is one that may.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Any, Final, cast

from heijunka.worker.fatal import essential

_open: Final[list[socket.socket]] = []
"""The sockets that signals are written to: collected, they would be closed."""


def listen(orders: SimpleQueue[int], wanted: Iterable[signal.Signals]) -> None:
    """Put the numbers of signals into a queue from now on. In the main thread.

    Parameters:
        orders: where they go.
        wanted: which signals.
    """
    numbers = frozenset(wanted)
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def hear() -> None:
        while told := reader.recv(64):
            for number in told:
                if number in numbers:
                    orders.put(number)

    for number in numbers:
        # Not a function of Python's: in that a soft timeout could strike, and the order would be lost.
        signal.signal(number, cast("Any", orders.put))
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a child's signals are no orders for us
    _open.append(writer)
    essential(hear, "signals").start()
