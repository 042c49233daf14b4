"""How long to wait before the next attempt."""

from __future__ import annotations


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
