"""How long a producer that paces itself pauses before a call: nothing up to the soft limit, and ever longer from there.

A wall (all speed up to the hard limit, then refusals) makes producers run into it together and come back together. A
slope lets them settle where they enqueue as much as ends: n producers that pause p seconds a call make at most n / p
calls a second, so the load stops rising where that is the rate at which jobs end.
"""

from __future__ import annotations

from typing import Final

LONGEST_S: Final = 1.0
"""The pause at the hard limit."""

WITHOUT_HARD: Final = 1.2
"""Where the slope ends without a hard limit, as a multiple of the soft limit: where it would be by default."""


def slope(*, soft: int | None, hard: int | None, share: int | None, high: bool) -> tuple[float, float] | None:
    """The load at which a producer begins to pause, and that at which it pauses longest.

    Parameters:
        soft: the domain's soft limit, or None.
        hard: its hard limit, or None.
        share: the load of normal and low at which these are refused, or None.
        high: whether the producer's jobs are of high priority.

    Returns:
        For high from soft to hard. For normal and low from `soft * share / hard` to `share`: what is reserved is no
        room of theirs. None without a soft limit.

    Example:
        >>> slope(soft=1_000, hard=1_200, share=960, high=True)
        (1000.0, 1200.0)
        >>> slope(soft=1_000, hard=1_200, share=960, high=False)
        (800.0, 960.0)
    """
    if soft is None:
        return None
    if hard is None:
        return float(soft), soft * WITHOUT_HARD
    if high or share is None:
        return float(soft), float(hard)
    return soft * share / hard, float(share)


def pause_s(*, load: float, begin: float, end: float) -> float:
    """How long to pause before the next call.

    Parameters:
        load: the domain's, as last heard of.
        begin: the load up to which there is no pause.
        end: the load from which on it is the longest.

    Returns:
        Seconds: `x²`, where x is `(load - begin) / (end - begin)`, from 0 to 1. It is continuous, and rises from
        nothing: who is barely above the soft limit hardly notices. Where `begin` is `end`, 0 up to there and 1 above.

    Example:
        >>> [pause_s(load=load, begin=1_000, end=1_200) for load in (900, 1_000, 1_100, 1_200, 5_000)]
        [0.0, 0.0, 0.25, 1.0, 1.0]
    """
    if load <= begin:
        return 0.0
    if load >= end:
        return LONGEST_S
    return float(LONGEST_S * ((load - begin) / (end - begin)) ** 2)
