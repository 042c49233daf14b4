"""Spread: a rate becomes moments, and never more of them than the rate allows."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.control.spread import FASTEST, SLOWEST, Spread, rate_per_s
from heijunka.errors import InvalidOption


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("50/s", 50.0),
        ("300/m", 5.0),
        ("1800 / h", 0.5),
        ("300 per minute", 5.0),
        ("0.5/s", 0.5),
        ("7", 7.0),
        (7, 7.0),
        ("1e9", FASTEST),
        ("1000000000/s", FASTEST),
        ("0.001/d", SLOWEST),
    ],
)
def test_rates_are_read_and_brought_into_their_range(rate: float | str, expected: float) -> None:
    assert expected == rate_per_s(rate)


@pytest.mark.parametrize("rate", ["0/s", 0, -1, "fast", "50/week", "/s", "", "nan", None])
def test_what_is_no_rate_is_refused(rate: Any) -> None:
    with pytest.raises(InvalidOption):
        rate_per_s(rate)


def test_jobs_are_due_one_after_the_other_from_now_on() -> None:
    spread = Spread(50, lambda: 1_000.0)

    assert [1_000, 1_020, 1_040, 1_060] == [spread.due_ms() for _ in range(4)]


def test_without_a_rate_all_are_due_now() -> None:
    assert [1_000] * 3 == list(itertools.starmap(Spread(None, lambda: 1_000.0).due_ms, [()] * 3))


@given(st.floats(0.5, 2_000), st.lists(st.integers(0, 5_000), min_size=2, max_size=60))
def test_no_stretch_of_time_has_more_jobs_than_the_rate_allows(per_s: float, pauses: list[int]) -> None:
    """However slowly the caller finds them: what was missed is not made up for."""
    clock = itertools.accumulate(pauses, initial=1_000_000)
    spread = Spread(per_s, lambda: float(next(clock)))

    due = [spread.due_ms() for _ in pauses]

    for first, last in itertools.combinations(range(len(due)), 2):
        within_ms = due[last] - due[first] + 1  # moments are whole ms
        assert last - first <= within_ms * per_s / 1_000 + 1e-6
    assert sorted(due) == due
