"""One of several that would lead, of which one does.

Leadership is a lease in Redis with a term. Whoever loses it finds out at the next write, which is refused: scripts
compare the term. Without any leader pools keep their size and jobs flow, so nothing here is in a job's way.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.broker.conversation import Patience
from heijunka.broker.outage import Outage
from heijunka.clock import Milliseconds
from heijunka.commands import Led
from heijunka.coordinator.lead import Lead
from heijunka.errors import HeijunkaError
from heijunka.keys import NamespaceKeys
from heijunka.policies.balance import BalanceRules
from heijunka.policies.burst import BurstRules

log: Final = logging.getLogger("heijunka.coordinator")

LEASE_MS: Final = Milliseconds(10_000)
"""How long a leader that was killed keeps others from leading."""

TICK_S: Final = 1.0
FOLLOW_S: Final = 1.0
"""How often one that does not lead asks whether it may; a leader that resigns wakes it."""

AFTER_A_BUG_S: Final = 1.0


class Candidate:
    """The thread that leads when nobody else does.

    Parameters:
        url: where Redis is.
        namespace: whose pools.
        name: what its id begins with.
        timeout_s: how long a call to Redis may take, in seconds.
        bursts: when the leader gives a pool a surge.
        total_workers: that all pools may have together; None for any number.
        tick_s: how often the leader decides, in seconds.
        away: called when Redis cannot be reached.

    Attributes:
        id: by which it is known as leader.
        leading: whether it was, when it last looked.

    Example:
        >>> candidate = Candidate("redis://localhost", "shop", name="host")  # doctest: +SKIP
        >>> candidate.start()  # doctest: +SKIP
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        name: str,
        timeout_s: float = 5.0,
        bursts: BurstRules | None = None,
        total_workers: int | None = None,
        tick_s: float = TICK_S,
        lease_ms: Milliseconds = LEASE_MS,
        away: Callable[[], None] | None = None,
    ) -> None:
        self.id = f"{name}-{os.urandom(4).hex()}"
        self.leading = False
        self._keys, self._bursts, self._balance = (
            NamespaceKeys(namespace),
            bursts or BurstRules(),
            BalanceRules(total_workers),
        )
        self._tick_s, self._lease_ms = tick_s, lease_ms
        client = Client(url, role="coordinator", timeout_s=min(timeout_s, lease_ms / 3_000))
        self._channel = client.channel()
        self._waiting = client.blocking(longest_s=max(tick_s, FOLLOW_S))
        self._outage = Outage("coordinator", away=away)
        self._lead: Lead | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="coordinator", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to resign, if it leads, and to end."""
        self._stopping.set()
        self._waiting.interrupt()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; whether it has within `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Be a candidate in this thread, until `stop`."""
        self._run()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                bell, wait_s = self._turn()
                self._outage.over()
                if not self._stopping.is_set():
                    self._waiting.plain("BLPOP", bell, f"{wait_s:.3f}", patience=Patience(0))
            except HeijunkaError as error:
                if self._stopping.is_set():
                    break
                self._stopping.wait(self._outage.failed(error))
            except Exception:  # a bug of ours; pools keep their sizes meanwhile
                log.exception("coordinator: going on after an error that should not be")
                self._stopping.wait(AFTER_A_BUG_S)
        self._resign()
        self._channel.close()
        self._waiting.close()

    def _turn(self) -> tuple[str, float]:
        """Lead if we may; the bell to wait for, and how long."""
        began = time.monotonic()
        led = self._channel.execute(commands.lead(self._keys, self.id, ttl=self._lease_ms), Patience(0))
        self._note(led)
        if self._lead is None or not self._lead.tick(self._channel):
            self._note(Led(leading=False, term=led.term, expires_ms=0))
            return self._keys.election, FOLLOW_S
        return self._keys.attention, max(0.01, self._tick_s - (time.monotonic() - began))

    def _note(self, led: Led) -> None:
        if not led.leading:
            if self.leading:
                log.warning("%s leads no more", self.id)
            self._lead = None
        elif self._lead is None or self._lead.term != led.term:
            log.info("%s leads, term %d", self.id, led.term)
            self._lead = Lead(self._keys, self.id, led.term, self._bursts, self._balance)
        self.leading = led.leading

    def _resign(self) -> None:
        if self._lead is not None:
            try:
                self._channel.execute(commands.resign(self._keys, self.id, self._lead.term), Patience(0))
            except HeijunkaError as error:
                log.warning("%s could not resign, its lease ends by itself: %s", self.id, error)
            self._lead, self.leading = None, False
