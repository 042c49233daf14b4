"""What the leader remembers of a pool: totals only grow, so what happened is the difference to the last look."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from heijunka.commands import Depths, PoolReport

ENDS = ("ack", "done", "dropped", "dead", "buried")
"""Counters of jobs that were worked off."""

ENTRIES = ("enqueued", "revived")
"""Counters of jobs that came; what was refused is counted beside them."""


class Flow(msgspec.Struct, frozen=True):
    """What happened in a pool between two looks.

    Attributes:
        seconds: between the looks.
        arrivals: jobs that came, refused ones included.
        refused: of these, those that were refused.
        completed: jobs that came to their end.
        attempts: attempts that ended.
        busy_s: slot-seconds in which attempts ran.
        slot_s: slot-seconds that there were.
    """

    seconds: float
    arrivals: int
    refused: int
    completed: int
    attempts: int
    busy_s: float
    slot_s: float


class Memory:
    """The last look at one pool."""

    def __init__(self) -> None:
        self._at_ms: int | None = None
        self._counts = (0, 0, 0)
        self._totals: dict[str, tuple[int, int, int]] = {}

    def look(self, now_ms: int, depths: Depths, reports: Mapping[str, PoolReport]) -> Flow | None:
        """What happened since the last look; None at the first, and when a clock or a counter went back.

        Parameters:
            now_ms: by Redis's clock.
            depths: what the domain holds.
            reports: what supervisors have of the pool.
        """
        refused = sum(count for name, count in depths.counters.items() if name.startswith("refused_"))
        counts = depths.counted(*ENTRIES) + refused, refused, depths.counted(*ENDS)
        totals = {name: (one.busy_ns, one.slot_ns, one.ended) for name, one in reports.items()}
        before_ms, counted, known = self._at_ms, self._counts, self._totals
        self._at_ms, self._counts, self._totals = now_ms, counts, totals
        if before_ms is None or now_ms <= before_ms or any(new < old for new, old in zip(counts, counted, strict=True)):
            return None
        busy_ns, slot_ns, ended = (
            sum(max(0, total[which] - known[name][which]) for name, total in totals.items() if name in known)
            for which in range(3)
        )
        came, turned_away, done = (new - old for new, old in zip(counts, counted, strict=True))
        return Flow((now_ms - before_ms) / 1e3, came, turned_away, done, ended, busy_ns / 1e9, slot_ns / 1e9)
