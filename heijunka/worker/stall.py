"""Attempts that have no limit and do not end.

A long job is not a stalled one, and nobody but its task knows the difference. So after a while there is an alarm, once
an attempt, with what its worker is doing; that a job is taken from a worker that lives is only done where the
settings say so. Pure: the time is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from heijunka.worker.board import Running

STACK_MS: Final = 1_000
"""How much later than the alarm the worker is killed: its stacks are to be in the log by then."""


class Stalls:
    """The attempts of one supervisor's workers that do not end.

    Parameters:
        after_ms: how long one may run until it counts as stalled.
        follows: "alarm", or "dead" if its worker is to be killed.
    """

    def __init__(self, after_ms: int, follows: Literal["alarm", "dead"]) -> None:
        self._after_ms, self._follows = after_ms, follows
        self._alarmed: dict[str, set[tuple[int, bytes]]] = {}

    def news(self, worker: str, running: Sequence[Running], now_ns: int) -> list[Running]:
        """What has stalled since the last look, at this worker.

        Parameters:
            worker: its id.
            running: all that it runs.
            now_ns: by CLOCK_MONOTONIC.
        """
        stalled = self._longer(running, now_ns, self._after_ms)
        before = self._alarmed.get(worker, set())
        if not stalled:
            if before:
                del self._alarmed[worker]
            return []
        self._alarmed[worker] = {(attempt.slot, attempt.entry) for attempt in stalled}
        return [attempt for attempt in stalled if (attempt.slot, attempt.entry) not in before]

    def condemned(self, running: Sequence[Running], now_ns: int) -> list[Running]:
        """What has stalled for so long that its worker is to be killed.

        Parameters:
            running: all that the worker runs.
            now_ns: by CLOCK_MONOTONIC.
        """
        return self._longer(running, now_ns, self._after_ms + STACK_MS) if self._follows == "dead" else []

    def forget(self, worker: str) -> None:
        """This worker is gone."""
        self._alarmed.pop(worker, None)

    @staticmethod
    def _longer(running: Sequence[Running], now_ns: int, ms: int) -> list[Running]:
        since_ns = now_ns - ms * 1_000_000
        return [attempt for attempt in running if attempt.limit_ms == 0 and attempt.since_ns < since_ns]
