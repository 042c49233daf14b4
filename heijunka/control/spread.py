"""Spread jobs over time, by when each is due.

A rate that a client keeps by waiting ends with the client. Here every job gets its own moment as soon as it is put
back, among the jobs that wait for their time, and the supervisors promote it then: the operator's terminal may be
closed, and a second retry beside the first simply has moments of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from heijunka.errors import InvalidOption

FASTEST: Final = 100_000.0
SLOWEST: Final = 1 / 86_400
"""Jobs a second that a rate is brought between."""

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/|per )\s*(s|m|h|d)(?:ec|econd|in|inute|our|ay)?", re.IGNORECASE)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def rate_per_s(rate: float | str) -> float:
    """A rate in jobs a second, brought between one a day and 100,000 a second.

    Parameters:
        rate: jobs a second, or text such as "50/s", "300/m", "1000/h".

    Raises:
        InvalidOption: it is no rate, or not above 0.

    Example:
        >>> rate_per_s("300/m"), rate_per_s(2)
        (5.0, 2.0)
    """
    if isinstance(rate, str) and (found := _RATE.fullmatch(rate.strip())):
        per_s = float(found[1]) / _SECONDS[found[2].lower()]
    else:
        try:
            per_s = float(rate)
        except (TypeError, ValueError):
            per_s = 0.0
    if not per_s > 0:  # nan is not either
        raise InvalidOption(
            f"rate {rate!r} is none", hint='write jobs per time, such as "50/s" or "300/m"', option="rate"
        )
    return min(max(per_s, SLOWEST), FASTEST)


class Spread:
    """The moments of jobs that come one after the other.

    No two are closer than the rate allows, also when the caller falls behind: what was missed is not made up for.

    Parameters:
        per_s: jobs a second; None for all of them now.
        now_ms: the time, ms since the epoch by Redis's clock.
    """

    def __init__(self, per_s: float | None, now_ms: Callable[[], float]) -> None:
        self._apart_ms = 0.0 if per_s is None else 1_000 / per_s
        self._now_ms = now_ms
        self._next_ms = 0.0

    def due_ms(self) -> int:
        """When the next job is due."""
        at = max(self._next_ms, self._now_ms())
        self._next_ms = at + self._apart_ms
        return round(at)
