"""Settle finished attempts.

Outcomes gather while the previous batch is under way, and a moment longer while the worker is busy, but
never more than 50 ms. A settled entry is acked and deleted in the same script as its side effects; an
entry that was taken away from us is refused there. So this file repeats a call until Redis answers and
never has to ask whether its last one arrived.

A batch that Redis keeps refusing while it can be reached is told one outcome at a time, so that what it cannot be
told about one job is not paid for by the others; that job is dead-lettered instead (see `refusal`).
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
from heijunka.errors import BrokerError, EnqueueError, HeijunkaError, WrongKeyType
from heijunka.keys import DomainKeys
from heijunka.worker.fatal import essential
from heijunka.worker.refusal import dead_instead, is_about_the_record

log: Final = logging.getLogger("heijunka.worker")

BATCH: Final = 500
COMPLAIN_EVERY_S: Final = 5.0
GATHER_S: Final = 0.005
FAREWELL_S: Final = 5.0
WAIT_S: Final = 1.0
"""How long to leave a Redis alone that answers with an error."""

BREAKS: Final = 3
"""After so many connections in a row that broke under one call, the call is looked at."""

REFUSALS: Final = 2
"""How often a call must fail alone, with Redis answering in between, before its record is held to be the cause."""

ANSWER_S: Final = 1.0
"""How long Redis may take to show that it answers."""

Ended = tuple[Entry, Outcome]


class Settler:
    """The outbox of one worker and the thread that empties it.

    Parameters:
        channel: to Redis, its own.
        keys: of the worker's domain.
        busy: tells whether more outcomes are about to come.
        keep_failure_ms: how long who waits is told of a job whose outcome Redis refused; 0 for not at all.

    Attributes:
        held: what the worker holds by its own account: pulled and not yet settled.
        fenced: how many outcomes were refused because the job had been taken away.
    """

    def __init__(
        self, channel: Channel, keys: DomainKeys, *, busy: Callable[[], bool], keep_failure_ms: int = 0
    ) -> None:
        self._channel, self._keys, self._busy = channel, keys, busy
        self._keep_failure_ms = keep_failure_ms
        self._outbox: deque[Ended] = deque()
        self._filled = threading.Event()
        self._patience = Patience(None, told=self._troubled, breaks=BREAKS)
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

    def _settled(self, batch: list[Ended]) -> bool:
        """Settle what can be; whether to go on."""
        try:
            self._tell(batch)
        except (BrokerError, EnqueueError) as error:
            if not self._patience.over() and _may_be_about_one(error):
                return self._one_by_one(batch, error)
            return self._put_back(batch, error)
        return True

    def _tell(self, batch: list[Ended], *, again: bool = False) -> None:
        reply = self._channel.execute(commands.settle(self._keys, [outcome for _, outcome in batch]), self._patience)
        held = self.held
        for entry, _ in batch:
            held.pop((entry.source, entry.id), None)
        if reply.fenced and again:
            log.warning("%s taken away while running, or settled by a call without reply", counted(len(batch), "job"))
        elif reply.fenced:
            self.fenced += len(reply.fenced)
            log.warning("outcomes of %s refused: taken away while running", counted(len(reply.fenced), "job"))
        if self.on_settled is not None:
            self.on_settled()

    def _put_back(self, batch: list[Ended], error: HeijunkaError) -> bool:
        """Try these again later; whether there is a later."""
        log.error("cannot settle %s: %s", counted(len(batch), "job"), error)
        self._outbox.extendleft(reversed(batch))
        if self._patience.over():
            return False
        time.sleep(WAIT_S)
        return True

    # -- when Redis refuses a batch -------------------------------------------------------------

    def _one_by_one(self, batch: list[Ended], error: HeijunkaError) -> bool:
        log.error("cannot settle %s at a time, so one by one: %s", counted(len(batch), "job"), error)
        stuck: list[Ended] = []
        for at, ended in enumerate(batch):
            try:
                if not self._alone(*ended):
                    stuck.append(ended)
            except (BrokerError, EnqueueError) as trouble:
                return self._put_back([*stuck, *batch[at:]], trouble)
        return self._put_back(stuck, error) if stuck else True

    def _alone(self, entry: Entry, outcome: Outcome) -> bool:
        """Settle one job in one way or another; whether it worked.

        Raises:
            HeijunkaError: Redis would not take anything now.
        """
        refused = self._refused(entry, outcome)
        if refused is None:
            return True
        if isinstance(refused, WrongKeyType):  # a key that somebody spoilt: not this job's fault, and to be mended
            return False
        log.error("Redis refuses the outcome of one job, which is dead-lettered instead: %s", refused)
        instead = dead_instead(entry, outcome, refused, keep_ms=self._keep_failure_ms)
        if self._refused(entry, instead) is None:
            return True
        log.error("Redis refuses its dead letter too, so the job is given back")
        time.sleep(WAIT_S)  # it will be run again, and may end in the same
        return self._refused(entry, commands.release(entry)) is None

    def _refused(self, entry: Entry, outcome: Outcome) -> HeijunkaError | None:
        """Settle one job; why Redis refuses that, if it does so again and again while it answers."""
        refused: HeijunkaError | None = None
        for _ in range(REFUSALS):
            try:
                self._tell([(entry, outcome)], again=True)
            except (BrokerError, EnqueueError) as error:
                if self._patience.over() or not _may_be_about_one(error):
                    raise
                refused = error
            else:
                return None
            self._channel.plain("PING", patience=Patience(ANSWER_S))
        return refused


def _may_be_about_one(error: HeijunkaError) -> bool:
    return is_about_the_record(error) or isinstance(error, WrongKeyType)
