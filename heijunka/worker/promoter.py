"""Move jobs that have become due to where they may run.

Promoting is one atomic script, so any number of supervisors do it at once and none has to be in charge.
Between promotions the loop waits on the wake bells, which ring when something new was scheduled, for no
longer than until the next job is due.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.broker.conversation import Patience
from heijunka.errors import HeijunkaError
from heijunka.keys import DomainKeys
from heijunka.worker.marked import marked
from heijunka.worker.outage import SPOILT, Outage

LONGEST_WAIT_S: Final = 0.9
"""A ring wakes one of several promoters; the others look by themselves after this. A job that is cancelled while it
runs is noticed by the promoter of its supervisor, so within a second."""

REDIS_TICK_S: Final = 0.1
"""An idle Redis ends a blocking call only at its next tick, so the last moments are waited for here."""


class Promoter:
    """The thread that promotes the due jobs of some domains.

    Parameters:
        client: opens its channels.
        keys: of the domains.
        away: called when Redis cannot be reached; see `Outage`.
        cancelled: told a domain and its marked jobs, by id with the moment (ms, by Redis's clock), when jobs were
            cancelled while workers held them.
    """

    def __init__(
        self,
        client: Client,
        keys: Iterable[DomainKeys],
        *,
        away: Callable[[], None] | None = None,
        cancelled: Callable[[str, Mapping[bytes, int]], None] = lambda _domain, _marked: None,
    ) -> None:
        self._channel = client.channel()
        self._waiting = client.blocking(longest_s=LONGEST_WAIT_S)
        self._keys = tuple(keys)
        self._outage = Outage("promoter", away=away)
        self._troubles: dict[str, Outage] = {}
        self._cancelled = cancelled
        self._marked: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="promoter", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def serve(self, keys: Iterable[DomainKeys]) -> None:
        """Promote for these domains from now on."""
        self._keys = tuple(keys)

    def stop(self) -> None:
        """Tell the thread to end; it does within `LONGEST_WAIT_S`."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; whether it has within `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                keys = self._keys
                wait_s = self._promote(keys)
                self._outage.over()
                self._wait(keys, wait_s)
            except HeijunkaError as error:
                if self._stopping.is_set():  # Redis may end while we do
                    break
                self._stopping.wait(self._outage.failed(error))
        self._channel.close()
        self._waiting.close()

    def _promote(self, keys: tuple[DomainKeys, ...]) -> float:
        """Promote what is due, a batch per domain in turn; seconds until the next job is."""
        earliest = time.monotonic() + LONGEST_WAIT_S
        due = list(keys)
        while due and not self._stopping.is_set():
            more = []
            for domain in due:
                trouble = self._troubles.setdefault(domain.domain, Outage(f"promoter of {domain.domain}"))
                try:
                    reply = self._channel.execute(commands.promote(domain), Patience(0))
                    self._look_for_marks(domain, reply.marked)
                except SPOILT as error:
                    trouble.failed(error)
                    continue
                trouble.over()
                if reply.wait_ms == 0:
                    more.append(domain)
                elif reply.wait_ms is not None:
                    earliest = min(earliest, time.monotonic() + reply.wait_ms / 1_000)
            due = more
        return max(0.0, earliest - time.monotonic())

    def _look_for_marks(self, keys: DomainKeys, times: int) -> None:
        """Tell who was cancelled, if jobs were marked since the last look; `times` counts every mark there ever was."""
        if times == self._marked.get(keys.domain, 0):
            return
        self._cancelled(keys.domain, marked(lambda page: self._channel.execute(page, Patience(0)), keys))
        self._marked[keys.domain] = times

    def _wait(self, keys: tuple[DomainKeys, ...], seconds: float) -> None:
        seconds_of_redis = seconds - REDIS_TICK_S
        if not keys or seconds_of_redis < REDIS_TICK_S or self._stopping.is_set():
            self._stopping.wait(seconds)
            return
        # The keys of several domains in one call: they are on one node as long as we support no Cluster.
        self._waiting.plain("BLPOP", *(domain.wake for domain in keys), f"{seconds_of_redis:.3f}", patience=Patience(0))
