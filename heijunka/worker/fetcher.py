"""Pull jobs at the worker's own pace.

The fetcher keeps the inbox filled with what will be done in about 100 ms. When there is nothing it waits
on the bell, and looks by itself now and then in case a ring was lost. Nobody knows beforehand that a job is
long: what waits behind one for a second goes back, for others to run. A pull is not repeated after a
lost reply: the worker asks what it holds and takes what it did not know of.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.broker.conversation import Patience, pause
from heijunka.clock import Milliseconds
from heijunka.commands import Entry, Lost, Pulled
from heijunka.control.breakers import RESET
from heijunka.counted import counted
from heijunka.errors import BrokerError, EnqueueError
from heijunka.keys import PRIORITIES, SUSPECTS, DomainKeys
from heijunka.worker.breaker import Breaker
from heijunka.worker.fatal import essential
from heijunka.worker.inbox import Inbox
from heijunka.worker.settler import Settler
from heijunka.worker.spec import WorkerSpec

log: Final = logging.getLogger("heijunka.worker")

NO_BOUND: Final = 1 << 62
LONGEST_REST_S: Final = 1.0
"""How long the fetcher rests while the breaker is open, before it looks again."""

ARRIVES_S: Final = 1.0
"""How long a pull that is under way is waited for when a breaker opens; what it brings is given back by the fetcher."""

HELD_COUNT: Final = 10_000
HELD_WITHIN_S: Final = 1.0
"""How long a pull is waited for when somebody asks what is held: while Redis is away, a stop must not wait for it."""

STUCK_S: Final = 1.0
"""How long unstarted jobs wait for the first of them to start, until they are given back."""

PAUSED_S: Final = 0.1
"""How long a worker leaves the bell alone when all queues are paused: it rings for paused jobs, too."""


class Fetcher:
    """The thread that pulls.

    Parameters:
        client: opens its channels.
        keys: of the worker's domain.
        spec: of the worker.
        inbox: where jobs go.
        settler: knows what is held.
        want: how many jobs to hold, and how many slots are free.
        joined: told Redis's time (ms) when the worker has registered.
        breaker: says when nothing may be pulled; None for never.
    """

    def __init__(
        self,
        client: Client,
        keys: DomainKeys,
        spec: WorkerSpec,
        inbox: Inbox,
        settler: Settler,
        *,
        want: Callable[[], tuple[int, int]],
        joined: Callable[[int], None],
        breaker: Breaker | None = None,
    ) -> None:
        self._channel = client.channel()
        self._waiting = client.blocking(longest_s=spec.poll_ms / 1_000)
        self._keys, self._spec, self._inbox, self._settler = keys, spec, inbox, settler
        self._want, self._joined, self._breaker = want, joined, breaker
        self._running = threading.Event()
        self._running.set()
        self._stopping = False
        self._doubtful = False
        self._yielding = False
        self._troubles = 0
        self._pulling = threading.Lock()
        self._left = spec.max_jobs or NO_BOUND
        self._stuck = False
        self._taken = self._started = 0  # how many were pulled, and had been started when one last was
        self._started_at = 0.0
        self._paused = ""
        self.on_drained: Callable[[], None] = lambda: None
        self.on_spent: Callable[[], None] = lambda: None
        self._thread = essential(self._run, "fetcher")

    def start(self) -> None:
        """Register the worker and start to pull."""
        self._thread.start()

    def quiet(self) -> None:
        """Pull no more until `resume`."""
        self._running.clear()

    def resume(self) -> None:
        """Pull again."""
        self._running.set()

    def stop(self) -> None:
        """Pull no more, hand back what is unstarted, and close the inbox."""
        self._stopping = True
        self._running.set()
        self._inbox.nudge()
        self._waiting.close()  # leave the bell, or it would ring for us when we hand back
        with self._pulling:
            for entry in self._inbox.drained():
                self._settler.put(entry, commands.release(entry))
        self._inbox.close()

    def held(self) -> dict[tuple[int, bytes], Entry]:
        """What the worker holds. A pull that is under way is waited for: its jobs were perhaps taken before now."""
        arrived = self._pulling.acquire(timeout=HELD_WITHIN_S)
        try:
            return self._settler.held.copy()
        finally:
            if arrived:
                self._pulling.release()

    @property
    def left(self) -> int:
        """How many jobs more it may pull."""
        return self._left

    def look_for_pauses(self, client: Client) -> None:
        """Give back what is unstarted of queues that are paused. What is pulled from now on is of none of these.

        Parameters:
            client: for the calling thread.
        """
        try:
            paused = paused_queues(client.plain("HGET", self._keys.limits, "paused"))
        except (BrokerError, EnqueueError) as error:
            log.warning("%s cannot ask which queues are paused: %s", self._spec.id, error)
            return
        if paused:
            with self._pulling:
                if not self._stopping:
                    entries = self._inbox.drained()
                    kept = self._without_paused(entries, paused)
                    self._inbox.put(kept)
                    self._left += len(entries) - len(kept)
                    self._taken -= len(entries) - len(kept)
                    if len(kept) < len(entries):
                        back = counted(len(entries) - len(kept), "job")
                        log.info("%s gives back %s of paused queues", self._spec.id, back)

    def _without_paused(self, entries: list[Entry], paused: str) -> list[Entry]:
        """Give back those of paused queues; the others."""
        for entry in entries:
            if entry.priority in paused:
                self._settler.put(entry, commands.release(entry))
        return [entry for entry in entries if entry.priority not in paused]

    def look_for_reset(self, client: Client) -> None:
        """Close the breaker, if somebody asked for that since it opened.

        Parameters:
            client: for the calling thread.
        """
        if self._breaker is None or self._breaker.closed:
            return
        try:
            asked = client.plain("HGET", self._keys.limits, RESET)
        except (BrokerError, EnqueueError) as error:
            log.warning("%s cannot ask whether its breaker was reset: %s", self._spec.id, error)
            return
        if asked:
            self._breaker.reset(int(asked))
            self._inbox.nudge()

    def give_back_unstarted(self) -> None:
        """Give back what was pulled and not started. From any thread but the fetcher's own."""
        if self._pulling.acquire(timeout=ARRIVES_S):
            try:
                if not self._stopping:
                    self._give_back(self._inbox.drained())
            finally:
                self._pulling.release()
        self._inbox.nudge()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, and closed its connections."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._join()
        while not self._stopping:
            self._running.wait()
            self._step()
        self._channel.close()
        self._waiting.close()

    def _step(self) -> None:
        self._inbox.watch()
        if self._breaker is not None and not self._breaker.closed:
            self._probe(self._breaker)
            return
        self._give_back_what_is_stuck()
        wanted, free = self._want()
        unstarted = len(self._inbox)
        self._stuck = self._stuck and free <= 0
        if wanted > 1 and not self._stuck:
            room, low = wanted - unstarted, wanted // 2
        else:
            room, low = free - unstarted, -1
        if self._left <= 0:
            self._spent(unstarted)
            return
        room = min(room, self._left)
        if room <= 0 or unstarted > low >= 0:
            self._inbox.wait_until_low(low, STUCK_S if unstarted else None)
            return
        with self._pulling:
            if self._stopping:
                return
            entries = self._pulled(room)
            self._settler.hold(entries)
            if not unstarted:  # they wait from now on, however long it took to get them
                self._started, self._started_at = self._taken, time.monotonic()
            self._inbox.put(entries)
            self._left -= len(entries)
            self._taken += len(entries)
            if self._breaker is not None and not self._breaker.closed:  # since we asked for them
                self._give_back(self._inbox.drained())
                return
        if (entries and entries[0].source == SUSPECTS) or self._yielding:
            self._wait_until_alone()
        elif not entries:
            self._nothing()

    def _spent(self, unstarted: int) -> None:
        """The worker has pulled as many jobs as it may, and retires when it has started the last."""
        if unstarted:
            self._inbox.wait_until_low(0, STUCK_S)
            return
        self.on_spent()
        self._stopping = True

    def _nothing(self) -> None:
        if self._spec.burst and not self._doubtful:
            if self._settler.held:
                self._inbox.wait_until_low(-1, 0.02)
                return
            self.on_drained()
            self._stopping = True
        elif not self._doubtful:
            if len(self._paused) == len(PRIORITIES):
                self._inbox.wait_until_low(-1, PAUSED_S)
            self._wait_for_bell()

    def _pulled(self, count: int) -> list[Entry]:
        try:
            if self._doubtful:
                return self._reconciled()
            alone = not self._settler.held
            reply = self._channel.execute(commands.pull(self._keys, self._spec.id, count, alone=alone))
        except (BrokerError, EnqueueError) as error:
            self._doubtful = True
            self._troubled(error)
            return []
        self._troubles = 0
        entries = self._known(reply)
        self._yielding = not alone and not isinstance(reply, Lost) and reply.suspects
        self._paused = "" if isinstance(reply, Lost) else reply.paused
        return entries

    def _reconciled(self) -> list[Entry]:
        """What Redis says we hold and we do not know of: jobs of a pull whose reply was lost."""
        known = set(self._settler.held)
        reply = self._known(self._channel.execute(commands.held(self._keys, self._spec.id, count=HELD_COUNT)))
        self._doubtful = False
        news = [entry for entry in reply if (entry.source, entry.id) not in known]
        paused = paused_queues(self._channel.plain("HGET", self._keys.limits, "paused")) if news else ""
        if paused:  # they were taken before, and so long ago that none of them may start any more
            self._settler.hold(news)
            return self._without_paused(news, paused)
        return news

    def _known(self, reply: Pulled | Lost) -> list[Entry]:
        if not isinstance(reply, Lost):
            return reply.entries
        log.warning("%s lost its lease: dropping %s", self._spec.id, counted(len(self._inbox), "unstarted job"))
        self._inbox.drained()
        self._settler.forget()
        self._join()
        return []

    def _wait_until_alone(self) -> None:
        """Finish what is held before pulling again: a suspect runs alone, or waits for somebody to be alone."""
        while self._settler.held and not self._stopping:
            self._inbox.wait_until_low(-1, 0.05)
            self._give_back_what_is_stuck()

    def _give_back_what_is_stuck(self) -> None:
        """Whatever runs is long: let others have the jobs that wait for it. Until a slot is free none are pulled."""
        unstarted, now = len(self._inbox), time.monotonic()
        started = self._taken - unstarted
        if unstarted == 0 or started != self._started:
            self._started, self._started_at = started, now
            return
        if now - self._started_at < STUCK_S:
            return
        with self._pulling:
            if self._stopping:
                return
            self._give_back(self._inbox.drained())
        self._stuck = True

    def _give_back(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._settler.put(entry, commands.release(entry))
        self._left += len(entries)
        self._taken -= len(entries)

    def _probe(self, breaker: Breaker) -> None:
        """The breaker is not closed: pull nothing, or the one job that shows whether they still fail."""
        wait_s = breaker.wait_s()
        if wait_s is None and self._spec.burst:  # nobody will come to reset it
            self.on_drained()
            self._stopping = True
        elif wait_s is None or wait_s > 0:
            self._inbox.wait_until_low(-1, LONGEST_REST_S if wait_s is None else min(wait_s, LONGEST_REST_S))
        elif breaker.probe in self._settler.held:
            self._inbox.wait_until_low(-1, 0.02)
        elif self._left <= 0:
            self._spent(0)
        else:
            self._try_one(breaker)

    def _try_one(self, breaker: Breaker) -> None:
        with self._pulling:
            if self._stopping:
                return
            entries = self._pulled(1)
            self._settler.hold(entries)
            if entries:
                breaker.probe = (entries[0].source, entries[0].id)
            self._inbox.put(entries)
            self._left -= len(entries)
            self._taken += len(entries)
        if not entries:
            self._nothing()

    def _wait_for_bell(self) -> None:
        seconds = self._spec.poll_ms / 1_000
        if self._settler.held:  # be back when a slot is free to take a job that arrived without a ring
            seconds = min(seconds, 1.0)
        try:
            rung = self._waiting.plain("BLPOP", self._keys.bell, f"{seconds:.3f}", patience=Patience(0))
            if rung and self._breaker is not None and not self._breaker.closed:  # it was meant for who may pull
                self._waiting.plain("RPUSH", self._keys.bell, b"1", patience=Patience(0))
        except (BrokerError, EnqueueError) as error:
            self._troubled(error)

    def _join(self) -> None:
        while not self._stopping:
            try:
                ttl = Milliseconds(self._spec.lease_ms)
                reply = self._channel.execute(commands.join(self._keys, self._spec.id, ttl=ttl))
            except (BrokerError, EnqueueError) as error:
                self._troubled(error)
                continue
            self._joined(reply.expires_ms - ttl)
            self._troubles = 0
            return

    def _troubled(self, error: Exception) -> None:
        if self._stopping:
            return
        if self._troubles == 0:
            log.error("%s cannot pull: %s", self._spec.id, error)
        self._troubles += 1
        time.sleep(pause(self._troubles))


def paused_queues(field: bytes | None) -> str:
    """The letters of the priorities that are paused, as the domain's limits have them."""
    return (field or b"").decode()
