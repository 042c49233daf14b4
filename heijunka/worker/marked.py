"""Who was cancelled: the jobs that are marked in Redis, and how long they may go on.

A mark is meant for whoever held the job when it was made. Who pulls a marked job is told by the pull itself, so an
entry that is younger than the mark is none of ours: its worker knows, or the job was made alive again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from heijunka import commands
from heijunka.broker.command import Command
from heijunka.commands import Marks
from heijunka.keys import DomainKeys
from heijunka.worker.board import Running

LOOK_FOR_NEWS: Final = signal.SIGURG
"""What a worker is told when jobs of its domain were marked, or queues paused. One that does not listen yet
ignores it."""


def marked(execute: Callable[[Command[Marks]], Marks], keys: DomainKeys) -> dict[bytes, int]:
    """The ids of all marked jobs of a domain, and when each was marked (ms, by Redis's clock).

    Parameters:
        execute: carries a command out.
        keys: of the domain.
    """
    page = execute(commands.marks(keys))
    at_ms = dict(page.at_ms)
    while page.more is not None:
        page = execute(commands.marks(keys, start=page.more))
        at_ms |= page.at_ms
    return at_ms


class Told:
    """What the workers of a domain were told, and since when. Pure: the time is an argument."""

    def __init__(self) -> None:
        self._jobs: dict[bytes, tuple[int, float]] = {}

    def note(self, marked_ms: Mapping[bytes, int], now: float) -> None:
        """These are the marked jobs now.

        Parameters:
            marked_ms: when each was marked, by Redis's clock.
            now: by the monotonic clock, in seconds.
        """
        before = self._jobs
        self._jobs = {
            job: before[job] if job in before and before[job][0] == at_ms else (at_ms, now)
            for job, at_ms in marked_ms.items()
        }

    def late(self, running: Sequence[Running], now: float, *, grace_s: float) -> list[Running]:
        """What of that goes on although its job was cancelled, for longer than it may."""
        if not self._jobs:
            return []
        return [attempt for attempt in running if self._is_late(attempt, now - grace_s)]

    def _is_late(self, attempt: Running, told_by: float) -> bool:
        if attempt.job not in self._jobs:
            return False
        marked_ms, told = self._jobs[attempt.job]
        entry_ms = int(attempt.entry.partition(b"-")[0])
        return entry_ms <= marked_ms and max(told, attempt.since_ns / 1e9) <= told_by
