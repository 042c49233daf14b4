"""Keep dead letters within the bounds of the settings `dead_max_age` and `dead_max_count`.

Any number of supervisors may do it at once: what is purged is purged and counted by one script, once. Without a
bound nothing is ever purged, and there is not even a thread.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterable
from typing import Final

import msgspec

from heijunka.broker.client import Client
from heijunka.broker.conversation import Patience
from heijunka.commands.letters import trim
from heijunka.counted import counted
from heijunka.errors import HeijunkaError
from heijunka.keys import DomainKeys
from heijunka.worker.outage import SPOILT, Outage

log: Final = logging.getLogger("heijunka.worker")

LOOK_EVERY_S: Final = 60.0


class Bounds(msgspec.Struct, frozen=True):
    """What a domain keeps of its dead letters.

    Attributes:
        age_ms: for how long; None for ever.
        count: how many; None for any number.
    """

    age_ms: int | None = None
    count: int | None = None

    def __bool__(self) -> bool:
        return self.age_ms is not None or self.count is not None


class Trimmer:
    """The thread that purges the dead letters of some domains beyond their bounds.

    Parameters:
        client: opens its channel.
        every_s: how often it looks.
    """

    def __init__(self, client: Client, *, every_s: float = LOOK_EVERY_S) -> None:
        self._channel, self._every_s = client.channel(), every_s
        self._keys: tuple[DomainKeys, ...] = ()
        self._bounds = Bounds()
        self._outage = Outage("trimmer")
        self._troubles: dict[str, Outage] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def serve(self, keys: Iterable[DomainKeys], bounds: Bounds) -> None:
        """Keep these domains within these bounds from now on."""
        self._keys, self._bounds = tuple(keys), bounds
        if bounds and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="trimmer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end after the call it is in."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; whether it has within `timeout_s`."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            try:
                for keys in self._keys:
                    self._trim(keys)
                self._outage.over()
            except HeijunkaError as error:  # Redis is away; others look after that
                if not self._stopping.is_set():
                    self._outage.failed(error)
            pause_s = self._every_s * random.uniform(0.8, 1.2)  # noqa: S311 - hosts should not keep step
        self._channel.close()

    def _trim(self, keys: DomainKeys) -> None:
        trouble = self._troubles.setdefault(keys.domain, Outage(f"trimmer of {keys.domain}"))
        purged, bounds = 0, self._bounds
        try:
            more = bool(bounds)
            while more and not self._stopping.is_set():
                reply = self._channel.execute(trim(keys, age_ms=bounds.age_ms, keep=bounds.count), Patience(0))
                purged, more = purged + reply.letters, reply.more
            trouble.over()
        except SPOILT as error:
            trouble.failed(error)
        finally:
            if purged:
                log.warning(
                    "%s: purged %s beyond dead_max_age or dead_max_count", keys.domain, counted(purged, "dead letter")
                )
