"""The retry budget: who behaves does not notice it, and nobody else retries more than it says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heijunka.policies.budget import (
    DEEPEST_DEBT_MS,
    MOST_CREDIT_MS,
    RETRY_COSTS_MS,
    SUCCESS_EARNS_MS,
    Credit,
    put_off_ms,
)

START_MS = 1_700_000_000_000
steps = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 2_000), st.integers(0, 700)), max_size=40)
"""Some calls of settle: time that passed, successes since, and retries."""


@given(steps)
def test_a_domain_within_its_budget_is_never_put_off(steps: list[tuple[int, int, int]]) -> None:
    credit, now, successes = None, START_MS, 0
    for elapsed, more, wanted in steps:
        now, successes = now + elapsed, successes + more
        within = (elapsed + SUCCESS_EARNS_MS * more) // RETRY_COSTS_MS
        credit, waits = put_off_ms(credit, now_ms=now, successes=successes, retries=min(wanted, within, 500))
        assert not any(waits)


@given(steps)
def test_no_more_retries_come_by_any_moment_than_the_budget_has(steps: list[tuple[int, int, int]]) -> None:
    """At most 500, and ten a second, and a tenth of the successes: whatever is retried, and whenever."""
    credit, now, successes = None, START_MS, 0
    moments: list[int] = []
    for elapsed, more, retries in steps:
        now, successes = now + elapsed, successes + more
        credit, waits = put_off_ms(credit, now_ms=now, successes=successes, retries=retries)
        assert list(waits) == sorted(waits)
        moments += (now + wait for wait in waits)
        assert max(waits, default=0) < DEEPEST_DEBT_MS, "so many that the debt has a bound"

    moments.sort()
    for place, moment in enumerate(moments, 1):
        earned = MOST_CREDIT_MS + (moment - START_MS) + SUCCESS_EARNS_MS * successes
        assert place * RETRY_COSTS_MS <= earned


@given(
    credit=st.builds(
        Credit, st.integers(-DEEPEST_DEBT_MS, MOST_CREDIT_MS), st.integers(0, 2**42), st.integers(0, 2**40)
    ),
    now=st.integers(0, 2**42),
    successes=st.integers(0, 2**40),
    retries=st.integers(0, 1_000),
)
def test_whatever_clocks_and_counters_do_nothing_waits_for_more_than_an_hour(
    credit: Credit, now: int, successes: int, retries: int
) -> None:
    left, waits = put_off_ms(credit, now_ms=now, successes=successes, retries=retries)

    assert all(0 <= wait <= DEEPEST_DEBT_MS for wait in waits)
    assert -DEEPEST_DEBT_MS <= left.ms <= MOST_CREDIT_MS
    assert (retries, now, successes) == (len(waits), left.at_ms, left.successes)


def test_an_outage_is_retried_ten_times_a_second() -> None:
    """A thousand jobs a second fail for ten seconds: what they would retry at once takes a quarter of an hour."""
    credit, last = None, 0
    for second in range(10):
        credit, waits = put_off_ms(credit, now_ms=START_MS + 1_000 * second, successes=0, retries=1_000)
        last = 1_000 * second + waits[-1]

    assert 949 == round(last / 1_000 - 1)
