"""Sizing: within bounds, large enough, explained; and a constant load changes its direction once at most."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from heijunka.errors import InvalidOption
from heijunka.policies.scaling import Decision, Sample, ScalingRules, State, decide

RULES = ScalingRules()


class Simulated:
    """A pool of one-slot workers that start at once, second by second, as a fluid."""

    def __init__(self, rules: ScalingRules, run_s: float, workers: int) -> None:
        self.rules, self.run_s, self.workers = rules, run_s, workers
        self.state, self.backlog, self.at_s = State(), 0.0, 0.0
        self.sizes: list[int] = []
        self.last: Decision

    def second(self, arrivals: float) -> None:
        work_s = min((self.backlog + arrivals) * self.run_s, float(self.workers))
        self.backlog += arrivals - work_s / self.run_s
        self.at_s += 1.0
        waiting = math.floor(self.backlog + 1e-6)
        sample = Sample(
            at_s=self.at_s,
            seconds=1.0,
            arrivals=arrivals,
            attempts=work_s / self.run_s,
            busy_s=work_s,
            slot_s=float(self.workers),
            backlog=waiting,
            oldest_s=0.0,
            workers=self.workers,
        )
        self.last = decide(self.rules, self.state, sample, self.workers)
        self.state, self.workers = self.last.state, self.last.workers
        self.sizes.append(self.workers)


def directions(sizes: list[int]) -> list[bool]:
    """Ups and downs, one for each stretch of the same direction."""
    moves = [new > old for old, new in itertools.pairwise(sizes) if new != old]
    return [move for place, move in enumerate(moves) if place == 0 or move != moves[place - 1]]


rates = st.floats(0.0, 2_000.0)
runs = st.floats(0.002, 5.0)
sizes = st.integers(2, 50)


@given(rates, runs, sizes)
def test_a_constant_load_never_changes_direction_twice(rate: float, run_s: float, workers: int) -> None:
    pool = Simulated(RULES, run_s, workers)
    for _ in range(300):
        pool.second(rate)

    assert len(directions([workers, *pool.sizes])) <= 2


@given(rates, runs, sizes)
def test_a_constant_load_ends_with_what_it_needs(rate: float, run_s: float, workers: int) -> None:
    demand = rate * run_s
    assume(demand <= RULES.most * RULES.target)
    pool = Simulated(RULES, run_s, workers)
    for _ in range(400):
        pool.second(rate)

    assert RULES.least <= pool.workers <= RULES.most
    assert demand <= pool.workers * RULES.up_above + 1e-6
    assert pool.backlog < 1.0
    assert pool.workers == RULES.least or demand > (pool.workers - 1) * RULES.down_below * 0.7


@given(st.lists(st.tuples(rates, st.integers(1, 30)), min_size=1, max_size=12), runs, sizes)
def test_whatever_comes_the_bounds_hold_and_every_decision_has_its_reason(
    phases: list[tuple[float, int]], run_s: float, workers: int
) -> None:
    pool = Simulated(RULES, run_s, workers)
    for rate, seconds in phases:
        for _ in range(seconds):
            pool.second(rate)
            assert RULES.least <= pool.workers <= RULES.most
            assert pool.last.reason
            assert 0.0 <= pool.last.utilisation <= 1.0


def test_a_step_to_five_times_the_load_is_answered_within_three_seconds() -> None:
    pool = Simulated(RULES, 0.1, 2)
    for _ in range(120):
        pool.second(14.0)
    assert 2 == pool.workers
    for _ in range(3):
        pool.second(70.0)

    assert pool.workers >= 10


def test_a_pool_that_is_idle_goes_down_to_its_least_a_step_at_a_time() -> None:
    pool = Simulated(RULES, 0.1, 40)
    for _ in range(200):
        pool.second(0.0)

    assert RULES.least == pool.workers
    falls = [old - new for old, new in zip([40, *pool.sizes], pool.sizes, strict=False) if new != old]
    assert all(fall <= max(1, 40 * RULES.step_down) for fall in falls)
    assert [40] * 59 == pool.sizes[:59]


def test_a_pool_whose_workers_run_long_jobs_keeps_them() -> None:
    """Ten of forty are busy for minutes, nothing arrives: the others go, these stay."""
    state, target = State(mean_run_s=600.0), 40
    for second in range(1, 300):
        sample = Sample(
            float(second), 1.0, 0, 0, busy_s=10.0, slot_s=float(target), backlog=0, oldest_s=0.0, workers=target
        )
        decision = decide(RULES, state, sample, target)
        state, target = decision.state, decision.workers

    assert 15 <= target <= 20


def test_what_was_refused_counts_as_demand() -> None:
    """The pool is not even busy: admission keeps the work out that would make it so."""
    sample = Sample(1.0, 1.0, arrivals=400, attempts=20, busy_s=2.0, slot_s=4.0, backlog=0, oldest_s=0.0, workers=4)

    assert decide(RULES, State(), sample, 4).workers > 40


def test_jobs_that_have_waited_too_long_make_a_pool_grow() -> None:
    sample = Sample(1.0, 1.0, arrivals=30, attempts=30, busy_s=6.0, slot_s=8.0, backlog=5, oldest_s=9.0, workers=8)
    patient = decide(RULES, State(), sample, 8)

    hurried = decide(msgspec.structs.replace(RULES, target_wait_s=5.0), State(), sample, 8)

    assert (8, 9) == (patient.workers, hurried.workers)


def test_while_no_attempt_has_ended_a_full_pool_with_a_backlog_doubles() -> None:
    sample = Sample(1.0, 1.0, arrivals=50, attempts=0, busy_s=4.0, slot_s=4.0, backlog=46, oldest_s=1.0, workers=4)

    decision = decide(RULES, State(), sample, 4)

    assert 8 == decision.workers
    assert "no attempt has ended yet" in decision.reason


def test_more_than_may_be_is_said() -> None:
    sample = Sample(1.0, 1.0, arrivals=9_000, attempts=20, busy_s=2.0, slot_s=2.0, backlog=9, oldest_s=0.0, workers=2)

    decision = decide(RULES, State(), sample, 2)

    assert RULES.most == decision.workers
    assert "max_workers is 50" in decision.reason


def test_new_bounds_hold_at_once() -> None:
    sample = Sample(1.0, 1.0, arrivals=0, attempts=0, busy_s=0.0, slot_s=9.0, backlog=0, oldest_s=0.0, workers=9)

    assert 5 == decide(ScalingRules(least=1, most=5), State(), sample, 9).workers
    assert 12 == decide(ScalingRules(least=12, most=50), State(), sample, 9).workers


@pytest.mark.parametrize(("at_s", "seconds"), [(5.0, 0.0), (4.0, -1.0), (5.0, 1.0), (500.0, 495.0)])
def test_a_clock_that_jumps_decides_nothing(at_s: float, seconds: float) -> None:
    busy = Sample(5.0, 1.0, arrivals=500, attempts=20, busy_s=2.0, slot_s=2.0, backlog=80, oldest_s=0.0, workers=2)
    state = decide(RULES, State(), busy, 2).state

    decision = decide(RULES, state, msgspec.structs.replace(busy, at_s=at_s, seconds=seconds), 2)

    assert 2 == decision.workers
    assert "nothing is decided" in decision.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"least": 5, "most": 4},
        {"least": -1},
        {"least": 0, "most": 0},
        {"target": 0.9},
        {"target": 0.4},
        {"up_above": 1.1},
        {"down_below": 0.0},
        {"drain_within_s": 0.0},
        {"window_s": -1.0},
        {"step_down": math.inf},
    ],
)
def test_rules_that_contradict_each_other_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOption):
        ScalingRules(**wrong)  # type: ignore[arg-type]
