"""The pause before the next attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.policies.backoff import park_delay_ms, retry_delay_ms

attempts = st.integers(1, 1_000_000)
spans = st.integers(1, 10 * 365 * 86_400_000)
chances = st.floats(0, 1, exclude_max=True)


@given(attempt=attempts, base_ms=spans, cap_ms=spans, chance=chances)
def test_a_pause_lies_within_a_bound_that_doubles_up_to_its_cap(
    attempt: int, base_ms: int, cap_ms: int, chance: float
) -> None:
    pause = retry_delay_ms(attempt, base_ms=base_ms, cap_ms=cap_ms, chance=chance)

    assert 0 <= pause <= cap_ms
    assert attempt > 40 or pause <= base_ms * 2 ** (attempt - 1)


@given(attempt=attempts, base_ms=spans, cap_ms=spans, chance=chances)
def test_the_bound_never_shrinks_from_one_attempt_to_the_next(
    attempt: int, base_ms: int, cap_ms: int, chance: float
) -> None:
    now, later = (
        retry_delay_ms(each, base_ms=base_ms, cap_ms=cap_ms, chance=chance) for each in (attempt, attempt + 1)
    )

    assert now <= later


@given(attempt=attempts, base_ms=spans, cap_ms=spans, chance=st.tuples(chances, chances).map(sorted))
def test_more_chance_means_a_longer_pause(attempt: int, base_ms: int, cap_ms: int, chance: list[float]) -> None:
    less, more = (retry_delay_ms(attempt, base_ms=base_ms, cap_ms=cap_ms, chance=each) for each in chance)

    assert less <= more


@pytest.mark.parametrize(
    ("attempt", "bound_ms"), [(1, 1_000), (2, 2_000), (3, 4_000), (10, 512_000), (11, 600_000), (1_000, 600_000)]
)
def test_half_the_chance_is_half_the_bound(attempt: int, bound_ms: int) -> None:
    assert bound_ms // 2 == retry_delay_ms(attempt, base_ms=1_000, cap_ms=600_000, chance=0.5)


@given(waited_ms=st.integers(0, 10**12), chance=chances)
def test_what_is_put_aside_is_looked_at_again_within_a_minute(waited_ms: int, chance: float) -> None:
    pause = park_delay_ms(waited_ms, chance=chance)

    assert min(60_000, max(1_000, waited_ms)) / 2 - 1 <= pause <= min(60_000, max(1_000, waited_ms))
