"""How long to wait before the next attempt, or before looking again for somebody who can make one."""

from __future__ import annotations

from typing import Final

SHORTEST_PARK_MS: Final = 1_000
LONGEST_PARK_MS: Final = 60_000


def retry_delay_ms(attempt: int, *, base_ms: int, cap_ms: int, chance: float) -> int:
    """The pause after a failed attempt: full jitter over an exponentially growing bound.

    Parameters:
        attempt: the number of the attempt that failed, from 1.
        base_ms: the bound after the first attempt; it doubles with each.
        cap_ms: the longest bound.
        chance: a random number from [0, 1).

    Returns:
        Milliseconds from 0 to `min(cap_ms, base_ms * 2 ** (attempt - 1))`.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Example:
        >>> retry_delay_ms(3, base_ms=1_000, cap_ms=600_000, chance=0.5)
        2000
    """
    bound = min(cap_ms, base_ms << min(attempt - 1, 40))
    return round(bound * chance)


def park_delay_ms(waited_ms: int, *, chance: float) -> int:
    """How long a job is put aside whose task is unknown here: about as long as it has waited, a minute at most.

    A worker of another version that knows the task gets it then, if it is the one that pulls it.

    Parameters:
        waited_ms: for how long it has been put aside again and again.
        chance: a random number from [0, 1).

    Returns:
        Milliseconds, from half of a bound to the bound: that is `waited_ms`, within 1 s and 60 s.

    Example:
        >>> park_delay_ms(0, chance=0.5), park_delay_ms(10_000, chance=0.5)
        (750, 7500)
    """
    bound = min(LONGEST_PARK_MS, max(SHORTEST_PARK_MS, waited_ms))
    return round(bound * (1 + chance) / 2)
