"""Retries with a budget, so that an outage does not double the load of what has failed.

A domain's retries are at most a tenth of its successes and ten a second; beyond that they are put off. Credit is
counted in milliseconds of waiting: time earns itself, a success earns 10 ms, a retry costs 100 ms. A domain that is
at rest has 50 s of credit, enough for 500 retries at once, and never more. A retry without credit waits as long as
the debt is deep, by an hour at most, on top of its own pause. `lua/include/spending.lua` decides so, atomically;
this is the same rule for reasoning, simulation and tests.

    credit  = min(50,000, credit + elapsed ms + 10 * successes since)
    retry:    credit = max(-3,600,000, credit - 100);  put off by max(0, -credit) ms

Source: the retry budget of Finagle and Linkerd (a share of the successes, and a floor), with a debt instead of a
refusal, because a job may not be lost.
"""

from __future__ import annotations

from typing import Final

import msgspec

RETRY_COSTS_MS: Final = 100
SUCCESS_EARNS_MS: Final = 10
MOST_CREDIT_MS: Final = 50_000
DEEPEST_DEBT_MS: Final = 3_600_000


class Credit(msgspec.Struct, frozen=True):
    """What a domain may spend on retries.

    Attributes:
        ms: its credit; a debt when negative.
        at_ms: when that was so.
        successes: how many there had ever been then.
    """

    ms: int
    at_ms: int
    successes: int


def put_off_ms(credit: Credit | None, *, now_ms: int, successes: int, retries: int) -> tuple[Credit, tuple[int, ...]]:
    """Charge a domain for some retries.

    Parameters:
        credit: as it was left; None when nothing is known, and the domain at rest.
        now_ms: by Redis's clock. Where it went back, no time has passed.
        successes: how many there have ever been. Where they are fewer, somebody deleted the count, and none is new.
        retries: how many to charge.

    Returns:
        The credit that is left, and for each retry by how many milliseconds it is put off.

    Example:
        >>> put_off_ms(Credit(150, 0, 0), now_ms=20, successes=1, retries=3)
        (Credit(ms=-120, at_ms=20, successes=1), (0, 20, 120))
    """
    ms = MOST_CREDIT_MS
    if credit is not None:
        earned = max(0, now_ms - credit.at_ms) + SUCCESS_EARNS_MS * max(0, successes - credit.successes)
        ms = min(MOST_CREDIT_MS, credit.ms + earned)
    waits = []
    for _ in range(retries):
        ms = max(-DEEPEST_DEBT_MS, ms - RETRY_COSTS_MS)
        waits.append(max(0, -ms))
    return Credit(ms, now_ms, successes), tuple(waits)
