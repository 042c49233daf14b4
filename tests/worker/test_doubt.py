"""Leases are taken to be over only while time is beyond doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.worker.doubt import Doubt, Sight

LEASE_MS = 15_000


def sight(at_ms: int, *, run: str = "a", ahead_ms: int = 1_000_000, took_ms: int = 1) -> Sight:
    return Sight(run, at_ms + took_ms // 2 + ahead_ms, at_ms, at_ms + took_ms)


def settled() -> Doubt:
    """Doubt of a keeper that started at 0 and has seen nothing odd until 20 s."""
    doubt = Doubt(LEASE_MS)
    for at_ms in range(0, 20_001, 5_000):
        doubt.look(sight(at_ms))
    assert doubt.over(20_001)
    return doubt


def test_the_first_lease_after_the_start_passes_in_doubt() -> None:
    doubt = Doubt(LEASE_MS)

    assert not doubt.over(10**9)
    assert "just started" == doubt.look(sight(0))
    assert not doubt.over(LEASE_MS)
    assert doubt.over(LEASE_MS + 1)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (sight(25_000, run="b"), "Redis was restarted or replaced"),
        (sight(30_000), "Redis was out of touch"),
        (sight(25_000, ahead_ms=1_120_000), "Redis's clock jumped forward"),
        (sight(25_000, ahead_ms=400_000), "Redis's clock jumped back"),
    ],
)
def test_one_more_lease_passes_after_anything_that_makes_leases_end_by_themselves(seen: Sight, reason: str) -> None:
    doubt = settled()

    assert reason == doubt.look(seen)
    assert not doubt.over(seen.heard_ms + LEASE_MS - 1)
    assert doubt.over(seen.heard_ms + LEASE_MS)


@given(
    drift_ms=st.integers(-200, 200),
    took_ms=st.lists(st.integers(0, 5_000), min_size=1, max_size=10),
)
def test_slow_answers_and_a_drifting_clock_are_no_reason_to_doubt(drift_ms: int, took_ms: list[int]) -> None:
    doubt = settled()
    at_ms, ahead_ms = 20_001, 1_000_000
    for took in took_ms:
        at_ms, ahead_ms = at_ms + 2_000, ahead_ms + drift_ms
        seen = sight(at_ms, ahead_ms=ahead_ms, took_ms=took)

        assert doubt.look(seen) is None

        at_ms = seen.heard_ms


@given(jump_ms=st.integers(6_501, 10**9), took_ms=st.integers(0, 5_000), sign=st.sampled_from((1, -1)))
def test_a_jump_beyond_what_slow_answers_can_explain_is_always_seen(jump_ms: int, took_ms: int, sign: int) -> None:
    doubt = settled()

    assert doubt.look(sight(25_000, ahead_ms=1_000_000 + sign * jump_ms, took_ms=took_ms)) is not None
