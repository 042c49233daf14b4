"""How many jobs a worker should pull.

It asks for what it will finish in about 100 ms: a worker of slow jobs holds one per slot and leaves the
rest to others, and fast jobs cost a fraction of a round trip each.
"""

from __future__ import annotations

from typing import Final

AHEAD_MS: Final = 100.0
MOST: Final = 200


def pull_size(*, mean_ms: float | None, slots: int, first: int) -> int:
    """How many jobs to hold.

    Parameters:
        mean_ms: recent mean run time of an attempt, or None when none has ended yet.
        slots: attempts that run at a time.
        first: what to ask for before anything is known.

    Returns:
        Jobs, from 1 to 200.

    Example:
        >>> pull_size(mean_ms=5.0, slots=1, first=10), pull_size(mean_ms=3_000.0, slots=4, first=10)
        (20, 1)
    """
    if mean_ms is None:
        return max(1, min(MOST, first))
    if mean_ms <= 0:
        return MOST
    return max(1, round(min(MOST, AHEAD_MS * slots / mean_ms)))


def blended_ms(before: float | None, sample: float, *, weight: float = 0.3) -> float:
    """An exponentially weighted mean: `sample` counts with `weight`."""
    return sample if before is None else before + weight * (sample - before)
