"""Redis's clock, as far as this host can tell it without asking.

What Redis said is carried on by this host's clock for a minute. It is asked again earlier when the host's wall clock
and its monotonic clock no longer agree: one was set, or the host slept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from heijunka.clock import wall_ms

ASK_AFTER_MS: Final = 60_000
DISAGREE_MS: Final = 1_000
SPARE_MS: Final = 10_000
"""An event loop asks that much earlier, so that what it does next need not."""


def monotonic_ms() -> int:
    """This process's monotonic clock, ms."""
    return time.monotonic_ns() // 1_000_000


class RedisClock:
    """Now by Redis's clock.

    Parameters:
        wall: this host's wall clock, ms since the epoch.
        monotonic: its monotonic clock, ms.
    """

    def __init__(self, *, wall: Callable[[], int] = wall_ms, monotonic: Callable[[], int] = monotonic_ms) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._heard: tuple[int, int, int] | None = None

    def now_ms(self, *, spare_ms: int = 0) -> int | None:
        """Now, ms since the epoch; None when Redis has to be asked.

        Parameters:
            spare_ms: for how long it shall not have to be asked afterwards.
        """
        if self._heard is None:
            return None
        redis_ms, wall_at, monotonic_at = self._heard
        passed, ticked = self._wall() - wall_at, self._monotonic() - monotonic_at
        if ticked + spare_ms >= ASK_AFTER_MS or abs(passed - ticked) > DISAGREE_MS:
            return None
        return redis_ms + passed

    def heard(self, answer: Sequence[bytes]) -> int:
        """Take in what TIME just answered; now, ms since the epoch."""
        seconds, micros = answer
        redis_ms = int(seconds) * 1_000 + int(micros) // 1_000
        self._heard = redis_ms, self._wall(), self._monotonic()
        return redis_ms
