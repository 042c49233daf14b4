"""Settle finished attempts.

Outcomes gather while the previous batch is under way, and a moment longer while the worker is busy, but
never more than 50 ms. A settled entry is acked and deleted in the same script as its side effects; an
entry that was taken away from us is refused there. So this file repeats a call until Redis answers and
never has to ask whether its last one arrived.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from heijunka import commands
from heijunka.broker.client import Channel
from heijunka.broker.conversation import Patience
from heijunka.commands import Entry
from heijunka.commands.settle import Outcome
from heijunka.counted import counted
from heijunka.errors import BrokerError, EnqueueError
from heijunka.keys import DomainKeys
from heijunka.worker.fatal import essential

log: Final = logging.getLogger("heijunka.worker")

BATCH: Final = 500
COMPLAIN_EVERY_S: Final = 5.0
GATHER_S: Final = 0.005
FAREWELL_S: Final = 5.0


class Settler:
    """The outbox of one worker and the thread that empties it.

    Parameters:
        channel: to Redis, its own.
        keys: of the worker's domain.
        busy: tells whether more outcomes are about to come.

    Attributes:
        held: what the worker holds by its own account: pulled and not yet settled.
        fenced: how many outcomes were refused because the job had been taken away.
    """

    def __init__(self, channel: Channel, keys: DomainKeys, *, busy: Callable[[], bool]) -> None:
        self._channel, self._keys, self._busy = channel, keys, busy
        self._outbox: deque[tuple[Entry, Outcome]] = deque()
        self._filled = threading.Event()
        self._patience = Patience(None, told=self._troubled)
        self._complained_s = -COMPLAIN_EVERY_S
        self._stopping = False
        self._thread = essential(self._run, "settler")
        self.held: dict[tuple[int, bytes], Entry] = {}
        self.fenced = 0
        self.on_settled: Callable[[], None] | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def hold(self, entries: Iterable[Entry]) -> None:
        """Note jobs as held; the fetcher does so before anybody can start them."""
        self.held.update(((entry.source, entry.id), entry) for entry in entries)

    def put(self, entry: Entry, outcome: Outcome) -> None:
        """Hand in the outcome of one attempt."""
        self._outbox.append((entry, outcome))
        if not self._filled.is_set():
            self._filled.set()

    def stop(self) -> bool:
        """Settle what is left and end the thread; whether everything was settled."""
        self._stopping = True
        self._patience.end_in(FAREWELL_S)
        self._filled.set()
        self._thread.join()
        self._channel.close()
        return not self._outbox and not self.held

    def forget(self) -> None:
        """Drop the account of what is held: the lease was lost and somebody took it all back."""
        self.held.clear()

    def _run(self) -> None:
        while True:
            self._filled.wait()
            self._filled.clear()
            while self._outbox:
                if len(self._outbox) < BATCH and not self._stopping and self._busy():
                    time.sleep(GATHER_S)
                if not self._settled([self._outbox.popleft() for _ in range(min(BATCH, len(self._outbox)))]):
                    return
            if self._stopping:
                return

    def _troubled(self, error: Exception) -> None:
        if time.monotonic() - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = time.monotonic()
            log.error("cannot settle yet, and keep trying: %s", error)

    def _settled(self, batch: list[tuple[Entry, Outcome]]) -> bool:
        command = commands.settle(self._keys, [outcome for _, outcome in batch])
        try:
            reply = self._channel.execute(command, self._patience)
        except (BrokerError, EnqueueError) as error:
            log.error("cannot settle %s: %s", counted(len(batch), "job"), error)
            self._outbox.extendleft(reversed(batch))
            if self._patience.over():
                return False
            time.sleep(1)
            return True
        held = self.held
        for entry, _ in batch:
            held.pop((entry.source, entry.id), None)
        if reply.fenced:
            self.fenced += len(reply.fenced)
            log.warning("outcomes of %s refused: taken away while running", counted(len(reply.fenced), "job"))
        if self.on_settled is not None:
            self.on_settled()
        return True
