"""How many jobs a worker asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.policies.pace import AHEAD_MS, MOST, blended_ms, pull_size

means = st.floats(1e-6, 1e9)
slots = st.integers(1, 1_000)


@given(mean_ms=st.none() | st.floats(0, 1e12), slots=slots, first=st.integers(-5, 10_000))
def test_a_worker_asks_for_one_job_at_least_and_two_hundred_at_most(
    mean_ms: float | None, slots: int, first: int
) -> None:
    assert 1 <= pull_size(mean_ms=mean_ms, slots=slots, first=first) <= MOST


@given(mean_ms=means, slots=slots)
def test_what_is_asked_for_is_done_in_about_a_tenth_of_a_second(mean_ms: float, slots: int) -> None:
    asked = pull_size(mean_ms=mean_ms, slots=slots, first=10)

    assert 1 == asked or asked * mean_ms / slots <= AHEAD_MS * 1.5


@given(pair=st.tuples(means, means).map(sorted), slots=slots)
def test_slower_jobs_are_never_asked_for_in_greater_number(pair: list[float], slots: int) -> None:
    faster, slower = (pull_size(mean_ms=mean_ms, slots=slots, first=10) for mean_ms in pair)

    assert faster >= slower


@pytest.mark.parametrize(
    ("mean_ms", "slots", "asked"),
    [(None, 1, 10), (0.0, 1, 200), (0.01, 1, 200), (1.0, 1, 100), (20.0, 1, 5), (300.0, 1, 1), (300.0, 6, 2)],
)
def test_known_paces(mean_ms: float | None, slots: int, asked: int) -> None:
    assert asked == pull_size(mean_ms=mean_ms, slots=slots, first=10)


@given(before=st.floats(0, 1e9), sample=st.floats(0, 1e9))
def test_a_mean_moves_towards_each_sample_and_not_beyond(before: float, sample: float) -> None:
    low, high = sorted((before, sample))

    assert low - 1e-3 <= blended_ms(before, sample) <= high + 1e-3
    assert sample == blended_ms(None, sample)


def test_a_few_samples_make_a_new_pace_known() -> None:
    mean: float | None = 1.0
    for _ in range(10):
        mean = blended_ms(mean, 300.0)

    assert mean is not None
    assert 280 < mean < 300
