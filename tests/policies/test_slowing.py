"""How long producers pause that pace themselves."""

from __future__ import annotations

import heapq
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from heijunka.policies.admission import InJobs, Limits, in_jobs
from heijunka.policies.slowing import LONGEST_S, pause_s, slope

loads = st.floats(0, 1e9)
ends = st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)).map(sorted)
bounds = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 0.99)).map(
    lambda drawn: in_jobs(Limits(min(drawn[:2]), max(drawn[:2]), drawn[2]))
)


@given(ends=ends, share=st.floats(0, 1))
def test_there_is_no_pause_up_to_where_it_begins(ends: list[float], share: float) -> None:
    begin, end = ends

    assert 0.0 == pause_s(load=begin, begin=begin, end=end) == pause_s(load=begin * share, begin=begin, end=end)


@given(load=loads, ends=ends)
def test_a_pause_is_bounded(load: float, ends: list[float]) -> None:
    begin, end = ends

    assert 0.0 <= pause_s(load=load, begin=begin, end=end) <= LONGEST_S


@given(ends=ends, load=loads)
def test_it_is_longest_from_the_end_on(ends: list[float], load: float) -> None:
    begin, end = ends
    if begin < end:
        assert LONGEST_S == pause_s(load=end, begin=begin, end=end) == pause_s(load=end + load, begin=begin, end=end)


@given(pair=st.tuples(loads, loads).map(sorted), ends=ends)
def test_more_load_is_never_a_shorter_pause(pair: list[float], ends: list[float]) -> None:
    begin, end = ends
    less, more = (pause_s(load=load, begin=begin, end=end) for load in pair)

    assert less <= more


@given(load=loads, step=st.floats(0, 1e-3), begin=st.floats(0, 1e6), width=st.floats(1, 1e6))
def test_a_little_more_load_is_a_little_longer_pause(load: float, step: float, begin: float, width: float) -> None:
    """No jump anywhere: the slope is nowhere steeper than twice the longest pause over the width."""
    end = begin + width
    before, after = (pause_s(load=at, begin=begin, end=end) for at in (load, load + step * width))

    assert after - before <= 2 * LONGEST_S * step + 1e-6


@given(limits=bounds)
def test_high_is_slowed_from_the_soft_limit_to_the_hard_one(limits: InJobs) -> None:
    assert (limits.soft, limits.hard) == slope(soft=limits.soft, hard=limits.hard, share=limits.share, high=True)


@given(limits=bounds)
def test_normal_and_low_are_slowed_before_they_are_refused_and_not_later_than_high(limits: InJobs) -> None:
    assert limits.hard is not None
    assert limits.share is not None
    found = slope(soft=limits.soft, hard=limits.hard, share=limits.share, high=False)
    assert found is not None
    begin, end = found

    assert begin <= end == limits.share
    assert begin <= (limits.soft or math.inf)


def test_without_a_soft_limit_nobody_is_slowed_and_without_a_hard_one_it_ends_where_it_would_be() -> None:
    assert slope(soft=None, hard=10, share=8, high=False) is None
    assert (1_000.0, 1_200.0) == slope(soft=1_000, hard=None, share=None, high=False)


@given(
    producers=st.integers(1, 20),
    calls_take_s=st.floats(0.000_5, 0.01),
    times_enough=st.floats(1.5, 100),
    soft=st.integers(1, 2_000),
    room=st.floats(10, 40),
)
@settings(max_examples=40)
def test_producers_settle_below_the_hard_limit_instead_of_running_into_it(
    producers: int, calls_take_s: float, times_enough: float, soft: int, room: float
) -> None:
    """Simulated: they enqueue as fast as they can but for their pauses, and jobs end at a steady rate.

    It must be one that producers who all pause longest stay below; nothing else would help but refusing.
    """
    ends_per_s = times_enough * producers / LONGEST_S
    hard = soft + producers * room
    load, now, most = 0.0, 0.0, 0.0
    turns = [(calls_take_s * number / producers, number) for number in range(producers)]
    heapq.heapify(turns)
    for _ in range(3_000):
        at, number = heapq.heappop(turns)
        load = max(0.0, load - (at - now) * ends_per_s) + 1
        now, most = at, max(most, load)
        pause = pause_s(load=load, begin=soft, end=hard)
        heapq.heappush(turns, (at + pause + calls_take_s, number))

    assert most < hard
