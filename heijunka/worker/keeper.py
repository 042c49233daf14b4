"""Keep the leases of living workers and give back what dead ones held.

Only this thread of a supervisor talks to Redis about liveness. A death that was witnessed goes before
everything else and is reported until Redis has heard it. Leases of workers that nobody renews, on any
host, are taken to be over only while there is no doubt about time (see `doubt`).
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from heijunka import commands
from heijunka.broker.client import Channel
from heijunka.broker.conversation import Patience
from heijunka.broker.outage import SPOILT, Outage
from heijunka.clock import Milliseconds
from heijunka.commands import Recovered
from heijunka.counted import counted
from heijunka.errors import HeijunkaError, RedisDenied
from heijunka.keys import DomainKeys, domain_keys
from heijunka.worker import crash
from heijunka.worker.crash import Death
from heijunka.worker.doubt import Doubt, Sight
from heijunka.worker.estate import Estates
from heijunka.worker.eviction import Eviction

log: Final = logging.getLogger("heijunka.worker")

RENEWALS_PER_LEASE: Final = 3
AFTER_A_BUG_S: Final = 1.0
UNSETTLED_S: Final = 0.2
"""How soon to look again at what a dead supervisor left when its workers are about to die."""
CUT_OFF_AFTER: Final = 2 / 3
"""Part of a lease without a renewal after which workers should not pull any more."""


class Terms(msgspec.Struct, frozen=True):
    """What the keeper goes by.

    Attributes:
        namespace: of the application.
        lease_ms: how long a lease lasts.
        max_deliveries: deliveries at which a job is dead-lettered as poison.
        keep_failure_ms: how long a dead letter's failure is kept for who waits; 0 for not at all.
    """

    namespace: str
    lease_ms: int
    max_deliveries: int
    keep_failure_ms: int


class Keeper:
    """The thread that keeps leases and recovers the dead.

    Parameters:
        channel: to Redis, its own. Its timeout should be below a third of a lease.
        terms: what to go by.
        domains: whose lost workers to recover.
        buried: called with a worker's id when nothing is left of what it held.
        away: called when Redis cannot be reached; see `Outage`.
        estates: what dead supervisors left on this host, or None.
        eviction: looks whether the server still keeps all jobs, or None.

    Attributes:
        roster: ids of the living workers by domain; set it whenever it changes.
    """

    def __init__(
        self,
        channel: Channel,
        terms: Terms,
        domains: Iterable[str],
        *,
        buried: Callable[[str], None],
        away: Callable[[], None] | None = None,
        estates: Estates | None = None,
        eviction: Eviction | None = None,
    ) -> None:
        self._channel, self._terms, self._buried = channel, terms, buried
        self._estates, self._inherit_at = estates, 0.0 if estates else math.inf
        self._eviction = eviction
        self._domains = tuple(domains)
        self._period_s = terms.lease_ms / RENEWALS_PER_LEASE / 1_000
        self._news: queue.SimpleQueue[Death | None] = queue.SimpleQueue()
        self._owed: deque[Death] = deque()
        self._doubt = Doubt(terms.lease_ms)
        self._outage = Outage("keeper", away=away)
        self._troubles: dict[str, Outage] = {}
        self._may_ask_run_id = True
        self._renew_at = self._renewed_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self.roster: Mapping[str, Sequence[str]] = {}

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def serve(self, domains: Iterable[str]) -> None:
        """Recover lost workers of these domains from now on."""
        self._domains = tuple(domains)

    def bury(self, death: Death) -> None:
        """Give back what a worker held that was seen to die. Returns at once."""
        self._news.put(death)

    def is_cut_off(self) -> bool:
        """Whether no renewal has succeeded for so long that workers should stop pulling."""
        return time.monotonic() - self._renewed_at > self._terms.lease_ms / 1_000 * CUT_OFF_AFTER

    def stop(self) -> None:
        """Tell the thread to end after the call it is in."""
        self._stopping.set()
        self._news.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; whether it has within `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # -- the loop -------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                try:
                    self._bury_owed()
                finally:  # a death that cannot be reported must not cost the living their leases
                    self._keep()
                self._inherit()
                self._outage.over()
                wake_at = min(self._renew_at, self._inherit_at)
                if self._eviction is not None:
                    wake_at = min(wake_at, self._eviction.look_if_due(self._channel))
                pause_s = wake_at - time.monotonic()
            except HeijunkaError as error:
                if self._stopping.is_set():
                    break
                pause_s = self._outage.failed(error)
            except Exception:  # a bug of ours; without a keeper every worker would lose its lease
                log.exception("keeper: going on after an error that should not be")
                pause_s = AFTER_A_BUG_S
            self._listen(pause_s)
        self._channel.close()

    def _listen(self, timeout_s: float) -> None:
        """Wait for news of a death, and take in all there is."""
        try:
            death = self._news.get(timeout=max(0.0, timeout_s))
            while True:
                if death is not None:
                    self._owed.append(death)
                death = self._news.get_nowait()
        except queue.Empty:
            return

    def _keep(self) -> None:
        asked_at = time.monotonic()
        if asked_at < self._renew_at:
            return
        self._look()
        for domain in tuple(self.roster):
            with self._alone(domain):
                self._renew(domain)
        self._renewed_at = asked_at
        self._renew_at = asked_at + self._period_s * random.uniform(0.9, 1.0)  # noqa: S311 - hosts should not keep step
        for domain in self._domains:
            with self._alone(domain):
                self._recover_lapsed(domain)

    def _renew(self, domain: str) -> None:
        workers = self.roster.get(domain)
        if workers:  # one that is missing there has not joined yet, or will notice when it pulls
            ttl = Milliseconds(self._terms.lease_ms)
            self._channel.execute(commands.renew(self._keys(domain), workers, ttl=ttl), Patience(0))

    @contextlib.contextmanager
    def _alone(self, domain: str) -> Iterator[None]:
        """A domain whose keys somebody spoilt must not cost the others."""
        trouble = self._troubles.setdefault(domain, Outage(f"keeper of {domain}"))
        try:
            yield
        except SPOILT as error:
            trouble.failed(error)
        else:
            trouble.over()

    # -- the dead -------------------------------------------------------------------------------

    def _bury_owed(self) -> None:
        """Report each death that is owed once; one whose domain is spoilt stays owed."""
        for _ in range(len(self._owed)):
            death = self._owed[0]
            self._owed.rotate(-1)
            with self._alone(death.domain):
                self._recover(death, "seen")
                self._owed.remove(death)
                self._buried(death.worker)

    def _inherit(self) -> None:
        """Give back what workers of a dead supervisor of this host held; they are dead, whatever time it is."""
        now = time.monotonic()
        if self._estates is None or now < self._inherit_at:
            return
        with contextlib.closing(self._estates.deaths(self._domains)) as deaths:
            for death in deaths:
                with self._alone(death.domain):
                    self._recover(death, "seen")
                    self._estates.settle(death)
        self._inherit_at = now + (UNSETTLED_S if self._estates.unsettled else self._period_s)

    def _recover_lapsed(self, domain: str) -> None:
        if not self._doubt.over(_now_ms()):
            return
        ours = {*self.roster.get(domain, ()), *(death.worker for death in self._owed)}
        strangers = [
            worker
            for worker in self._channel.execute(commands.lapsed(self._keys(domain)), Patience(0))
            if worker not in ours
        ]
        for worker in strangers:
            self._listen(0)
            self._bury_owed()
            self._look()  # the clock may have jumped since we asked
            if not self._doubt.over(_now_ms()):
                return
            self._recover(crash.lapsed(domain, worker), "lapsed")

    def _recover(self, death: Death, how: Literal["seen", "lapsed"]) -> None:
        """Give back what a dead worker held. Every step may be repeated, so a failure in between costs nothing."""
        total = Recovered("more")
        while total.state == "more":
            step = self._channel.execute(
                commands.recover(
                    self._keys(death.domain),
                    death.worker,
                    death=how,
                    failure=death.failure,
                    max_deliveries=self._terms.max_deliveries,
                    keep_ms=self._terms.keep_failure_ms,
                    started=death.charged,
                    overdue=death.overdue,
                ),
                Patience(0),
            )
            total = Recovered(
                step.state,
                total.returned + step.returned,
                total.charged + step.charged,
                total.buried + step.buried,
                total.overdue + step.overdue,
            )
        took_back = total.returned + total.charged + total.buried + total.overdue
        if took_back or (total.state == "recovered" if how == "lapsed" else not death.expected):
            log.warning(
                "%s %s: %s returned, %d charged, %d overdue, %d dead-lettered",
                death.worker, death.how, counted(total.returned, "job"), total.charged, total.overdue, total.buried,
            )  # fmt: skip

    # -- doubt ----------------------------------------------------------------------------------

    def _look(self) -> None:
        asked_ms = _now_ms()
        seconds, micros = self._channel.plain("TIME", patience=Patience(0))
        heard_ms = _now_ms()
        reason = self._doubt.look(
            Sight(self._run_id(), int(seconds) * 1_000 + int(micros) // 1_000, asked_ms, heard_ms)
        )
        if reason is not None:
            log.info("%s: for one lease no worker is taken to be lost", reason)

    def _run_id(self) -> str:
        if not self._may_ask_run_id:
            return ""
        try:
            info: bytes = self._channel.plain("INFO", "server", patience=Patience(0))
        except RedisDenied as error:
            log.warning("%s: restarts are noticed by the broken connection only", error)
            self._may_ask_run_id = False
            return ""
        lines = info.decode("utf-8", "replace").splitlines()
        return next((line.removeprefix("run_id:") for line in lines if line.startswith("run_id:")), "")

    def _keys(self, domain: str) -> DomainKeys:
        return domain_keys(self._terms.namespace, domain)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
