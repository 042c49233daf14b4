"""Bring the embedded server back while somebody here needs it.

Nobody watches a server that was started along the way, so whoever finds it gone starts it again, at the
URL everybody has. One thread of a process does so at a time and the others go on with their calls, which
are repeated anyway. A server that cannot be started is told of and tried again, not more often than once a second.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Final

from heijunka.errors import ServerError
from heijunka.server.embedded import EmbeddedServer

log: Final = logging.getLogger("heijunka.server")

TRY_AGAIN_AFTER_S: Final = 1.0


class Upkeep:
    """One process's use of the embedded server, from now until `end`.

    Parameters:
        server: what to use.

    Raises:
        ServerError: it does not start.

    Example:
        >>> upkeep = Upkeep(EmbeddedServer())  # doctest: +SKIP
        >>> Client(upkeep.url, away=upkeep.bring_back)  # doctest: +SKIP
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self.url = server.acquire()
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._not_before = 0.0
        self._ended = False

    def bring_back(self) -> None:
        """Start the server if it is gone. Waits for that, unless another thread does it already. Raises nothing."""
        lock = self._own_lock()
        if not lock.acquire(blocking=False):
            return
        try:
            if self._ended or time.monotonic() < self._not_before:
                return
            try:
                self._server.acquire()
            except (ServerError, OSError) as error:
                self._not_before = time.monotonic() + TRY_AGAIN_AFTER_S
                log.error("the embedded server is gone and cannot be started again: %s", error)
        finally:
            lock.release()

    def begin_to_bring_back(self) -> None:
        """Start the server if it is gone, without waiting: for event loops."""
        if not self._own_lock().locked():
            threading.Thread(target=self.bring_back, name="heijunka-upkeep", daemon=True).start()

    def end(self) -> None:
        """Use the server no more; the last of its users ends it.

        Raises:
            ServerError: it cannot be ended.
        """
        with self._own_lock():
            self._ended = True
            self._server.release()

    def _own_lock(self) -> threading.Lock:
        if self._pid != os.getpid():  # a fork; whoever held the lock is not in it
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock
