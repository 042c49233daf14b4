"""Look at the demo while it runs: everything that is shown is read back from Redis.

A look costs one call for each domain. Rates and news are differences between looks.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

from heijunka import Heijunka, commands
from heijunka.commands import Depths
from heijunka_cli.demo.books import Tally
from heijunka_cli.demo.plan import DOMAINS, LOST

PACE_S: Final = 1.0
"""The rate that is shown is that of so many seconds."""

_PIDS_EVERY_S: Final = 0.5


class Moment(msgspec.Struct, frozen=True):
    """One look at the demo while it runs.

    Attributes:
        elapsed_s: since it began to enqueue.
        handed_in: jobs enqueued so far.
        total: jobs there will be.
        domains: what each holds, and what became of what it had.
        rates: jobs that each ended in a second.
        pids: its worker processes.
        news: what happened since the last look, in words.
    """

    elapsed_s: float
    handed_in: int
    total: int
    domains: Mapping[str, Depths]
    rates: Mapping[str, float]
    pids: tuple[int, ...]
    news: tuple[str, ...]

    @property
    def tally(self) -> Tally:
        """All domains."""
        return total(self.domains)

    @property
    def is_idle(self) -> bool:
        """Whether no job is left that has not ended."""
        return self.tally.left == 0


def total(domains: Mapping[str, Depths]) -> Tally:
    """The tally of all domains."""
    return sum((Tally.read(held) for held in domains.values()), Tally.nothing())


class Watch:
    """Looks, and remembers what it saw.

    Parameters:
        app: the demo's application.
    """

    def __init__(self, app: Heijunka) -> None:
        self._app = app
        self._seen: deque[tuple[float, dict[str, Tally]]] = deque()
        self._pids: tuple[int, ...] = ()
        self._pids_at = float("-inf")
        self._told: set[str] = set()

    def held(self) -> dict[str, Depths]:
        """What each domain holds now."""
        client = self._app.connections.client
        return {domain: client.execute(commands.depths(self._app.keys(domain))) for domain in DOMAINS}

    def look(self, elapsed_s: float, *, handed_in: int, total: int, news: tuple[str, ...]) -> Moment:
        """Look now.

        Parameters:
            elapsed_s: since the demo began to enqueue.
            handed_in: jobs enqueued so far.
            total: jobs there will be.
            news: what somebody else has to tell.
        """
        now, held = time.monotonic(), self.held()
        tallies = {domain: Tally.read(depths) for domain, depths in held.items()}
        if self._seen:
            news = (*news, *self._news(self._seen[-1][1], tallies))
        self._seen.append((now, tallies))
        while len(self._seen) > 2 and now - self._seen[1][0] >= PACE_S:
            self._seen.popleft()
        if now - self._pids_at >= _PIDS_EVERY_S:
            before, self._pids, self._pids_at = self._pids, self._workers(), now
            gone = [pid for pid in before if pid not in self._pids and not _lives(pid)]
            news = (*news, *(f"worker {pid} died; another takes its place" for pid in gone))
        return Moment(elapsed_s, handed_in, total, held, self._rates(), self._pids, news)

    def _rates(self) -> dict[str, float]:
        (since, before), (until, after) = self._seen[0], self._seen[-1]
        if until == since:
            return dict.fromkeys(DOMAINS, 0.0)
        ended = {domain: _ended(after[domain]) - _ended(before[domain]) for domain in DOMAINS}
        return {domain: jobs / (until - since) for domain, jobs in ended.items()}

    def _workers(self) -> tuple[int, ...]:
        """The process ids of connected workers, by the names that they gave their connections."""
        listed: bytes = self._app.connections.client.plain("CLIENT", "LIST")
        words = (word for word in listed.decode(errors="replace").split() if word.startswith("name=hj:worker:"))
        return tuple(sorted({int(word.rpartition(":")[2]) for word in words}))

    def _news(self, before: Mapping[str, Tally], after: Mapping[str, Tally]) -> list[str]:
        news = []
        for domain in DOMAINS:
            was, now = before[domain], after[domain]
            if jobs := now.redelivered - was.redelivered:
                alone = now.suspected - was.suspected
                news.append(f"{domain}: {jobs} jobs given back, {alone} of them to be run alone")
            if now.retried > was.retried and self._first("retry"):
                news.append(f"{domain}: busy customers answer 503; their jobs are tried again")
            if now.dead > was.dead and self._first(f"dead {domain}"):
                news.append(f"{domain}: {LOST} is not there; its job is dead-lettered")
        return news

    def _first(self, event: str) -> bool:
        """Whether this is told for the first time."""
        new = event not in self._told
        self._told.add(event)
        return new


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _ended(tally: Tally) -> int:
    return tally.done + tally.dead
