"""Pull jobs at the worker's own pace.

The fetcher keeps the inbox filled with what will be done in about 100 ms. When there is nothing it waits
on the bell, and looks by itself now and then in case a ring was lost. Nobody knows beforehand that a job is
long: what waits behind one for a second goes back, for others to run. What was paused since it was pulled goes back,
too: a pull tells which priorities are, and a worker that has no reason to pull asks every 100 ms as long as it
holds something unstarted. A pull is not repeated after a lost reply: the worker asks what it holds and takes what it
did not know of.
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
from heijunka.counted import counted
from heijunka.errors import BrokerError, EnqueueError
from heijunka.keys import PRIORITIES, SUSPECTS, DomainKeys
from heijunka.worker.fatal import essential
from heijunka.worker.inbox import Inbox
from heijunka.worker.settler import Settler
from heijunka.worker.spec import WorkerSpec

log: Final = logging.getLogger("heijunka.worker")

NO_BOUND: Final = 1 << 62
HELD_COUNT: Final = 10_000
HELD_WITHIN_S: Final = 1.0
"""How long a pull is waited for when somebody asks what is held: while Redis is away, a stop must not wait for it."""

STUCK_S: Final = 1.0
"""How long unstarted jobs wait for the first of them to start, until they are given back."""

ASK_S: Final = 0.1
"""How old what is known of paused priorities may be while there are unstarted jobs."""

SHORTEST_S: Final = 0.001
"""What is due in less than this is not worth waiting for."""


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
    ) -> None:
        self._channel = client.channel()
        self._waiting = client.blocking(longest_s=spec.poll_ms / 1_000)
        self._keys, self._spec, self._inbox, self._settler = keys, spec, inbox, settler
        self._want, self._joined = want, joined
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
        self._paused, self._asked_at = "", 0.0
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

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, and closed its connections."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._join()
        while not self._stopping:
            if self._running.wait(ASK_S if len(self._inbox) else None):
                self._step()
            else:
                self._give_back_what_is_paused()
        self._channel.close()
        self._waiting.close()

    def _step(self) -> None:
        self._inbox.watch()
        self._give_back_what_is_stuck()
        self._give_back_what_is_paused()
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
            self._inbox.wait_until_low(low, self._until_asked_s() if unstarted else None)
            return
        with self._pulling:
            if self._stopping:
                return
            entries = self._pulled(room)
            self._settler.hold(entries)
            self._inbox.put(entries)
        self._left -= len(entries)
        self._taken += len(entries)
        if (entries and entries[0].source == SUSPECTS) or self._yielding:
            self._wait_until_alone()
        elif not entries:
            self._nothing()

    def _spent(self, unstarted: int) -> None:
        """The worker has pulled as many jobs as it may, and retires when it has started the last."""
        if unstarted:
            self._inbox.wait_until_low(0, self._until_asked_s())
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
        elif len(self._inbox):
            self._inbox.wait_until_low(-1, self._until_asked_s())
        elif not self._doubtful:
            if len(self._paused) == len(PRIORITIES):
                self._inbox.wait_until_low(-1, ASK_S)  # the bell rings for paused jobs too, and would keep us pulling
            self._wait_for_bell()

    def _pulled(self, count: int) -> list[Entry]:
        try:
            if self._doubtful:
                return self._reconciled()
            alone = not self._settler.held
            self._asked_at = time.monotonic()
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
        return [entry for entry in reply if (entry.source, entry.id) not in known]

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
            self._give_back_what_is_paused()

    def _give_back_what_is_stuck(self) -> None:
        """Whatever runs is long: let others have the jobs that wait for it. Until a slot is free none are pulled."""
        unstarted, now = len(self._inbox), time.monotonic()
        started = self._taken - unstarted
        if unstarted == 0 or started != self._started:
            self._started, self._started_at = started, now
            return
        if now - self._started_at >= STUCK_S and self._gave_back(lambda _: True):
            self._stuck = True

    def _until_asked_s(self) -> float:
        return max(SHORTEST_S, self._asked_at + ASK_S - time.monotonic())

    def _give_back_what_is_paused(self) -> None:
        """Let go of what was pulled before it was paused."""
        now = time.monotonic()
        if not len(self._inbox):
            return
        if now - self._asked_at >= ASK_S:
            try:
                said = self._channel.plain("HGET", self._keys.limits, "paused", patience=Patience(0))
            except (BrokerError, EnqueueError) as error:
                self._troubled(error)
                return
            self._paused, self._asked_at = (said or b"").decode(), now
        if self._paused:
            self._gave_back(lambda entry: entry.priority in self._paused)

    def _gave_back(self, is_meant: Callable[[Entry], bool]) -> bool:
        """Give back what is unstarted and meant, in its order; whether the worker is not about to end anyway."""
        with self._pulling:
            if self._stopping:
                return False
            unstarted = self._inbox.drained()
            meant = [entry for entry in unstarted if is_meant(entry)]
            if len(meant) < len(unstarted):
                self._inbox.put([entry for entry in unstarted if not is_meant(entry)])
            for entry in meant:
                self._settler.put(entry, commands.release(entry))
        self._left += len(meant)
        self._taken -= len(meant)
        return True

    def _wait_for_bell(self) -> None:
        seconds = self._spec.poll_ms / 1_000
        if self._settler.held:  # be back when a slot is free to take a job that arrived without a ring
            seconds = min(seconds, 1.0)
        try:
            self._waiting.plain("BLPOP", self._keys.bell, f"{seconds:.3f}", patience=Patience(0))
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
