"""What should become of the jobs of a domain, told without Redis: a dict of jobs and what each of them waits for.

Random calls are compared with it. It knows nothing of streams, entries or sessions; those must add up to it.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec

from heijunka.commands import Entry

MAX_DELIVERIES = 2


class Alive(msgspec.Struct):
    """A job that has not ended.

    Attributes:
        state: what it does.
        letter: of its priority.
        due: when it may run, ms.
        by: who holds it.
        deliveries: how often a worker died while running it.
        overdue: whether its last attempt outlived its limit.
        marked: whether it was cancelled while somebody held it.
    """

    state: Literal["ready", "suspect", "held", "scheduled"]
    letter: str
    due: int = 0
    by: str = ""
    deliveries: int = 0
    overdue: bool = False
    marked: bool = False


class JobModel:
    """The jobs of one domain, and everything that can happen to them."""

    def __init__(self) -> None:
        self.jobs: dict[bytes, Alive] = {}
        self.dead: list[bytes] = []
        self.counted: Counter[str] = Counter()

    def of(self, state: str) -> list[bytes]:
        """The jobs that do something."""
        return [job for job, alive in self.jobs.items() if alive.state == state]

    def held_by(self, worker: str) -> list[bytes]:
        """The jobs a worker holds."""
        return [job for job, alive in self.jobs.items() if alive.by == worker]

    def put(self, job: bytes, where: str, now: int) -> None:
        """A job comes, or comes again, for now or for later."""
        letter, sign, ms = where[0], where[1:2], int(where[2:] or 0)
        due = ms + now if sign == "+" else ms
        self.jobs[job] = Alive("scheduled" if due > now else "ready", letter, due=due)

    def promote(self, now: int, limit: int) -> int:
        """The soonest of those that are due may run; of equals those that come first as bytes."""
        due = [job for job in self.of("scheduled") if self.jobs[job].due <= now]
        due.sort(key=lambda job: (self.jobs[job].due, self.jobs[job].letter, job))
        for job in due[:limit]:
            self.jobs[job].state = "ready"
        return len(due[:limit])

    def take(self, worker: str, entry: Entry) -> None:
        """A worker got a job: one that waited, with all that is known of it."""
        alive = self.jobs[entry.job]
        assert alive.state in {"ready", "suspect"}
        told = (entry.priority, entry.deliveries, entry.overdue, entry.marked)
        assert (alive.letter, alive.deliveries, alive.overdue, alive.marked) == told
        alive.state, alive.by = "held", worker

    def end(self, verb: str, job: bytes, where: str, following: bytes, now: int) -> None:
        """A worker ends an attempt at a job it holds."""
        self.counted[verb] += 1
        alive = self.jobs.pop(job)
        if verb == "dead":
            self.dead.append(job)
        elif verb in {"retry", "snooze"}:
            self.put(following, where[0] if alive.marked else where, now)
            self.jobs[following].marked = alive.marked
        elif verb == "release":
            self._give_back(job, alive)

    def cancel(self, job: bytes) -> str:
        """Somebody cancels a job, wherever it is."""
        if self.jobs[job].by:
            self.jobs[job].marked = True
            self.counted["marked"] += 1
            return "cancelling"
        del self.jobs[job]
        self.counted["cancelled"] += 1
        return "cancelled"

    def crash(self, worker: str, started: set[bytes], overdue: set[bytes]) -> None:
        """A worker dies while it runs some of what it holds, or is killed for running some too long."""
        for job in self.held_by(worker):
            alive = self.jobs.pop(job)
            alive.deliveries += job in started
            alive.overdue |= job in overdue
            if job in started and alive.deliveries >= MAX_DELIVERIES:
                self.dead.append(job)
                self.counted["buried"] += 1
            else:
                self._give_back(job, alive)
                self.counted["charged" if job in started else "overdue" if job in overdue else "returned"] += 1

    def _give_back(self, job: bytes, alive: Alive) -> None:
        state: Literal["suspect", "ready"] = "suspect" if alive.deliveries else "ready"
        self.jobs[job] = Alive(
            state, alive.letter, deliveries=alive.deliveries, overdue=alive.overdue, marked=alive.marked
        )
