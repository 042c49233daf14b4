"""Surges: raised by bursts alone, bounded in size, time and cost, and ended when nobody needs them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heijunka.errors import InvalidOption
from heijunka.policies.burst import BurstDecision, BurstRules, BurstState, decide
from heijunka.policies.scaling import Sample

RULES = BurstRules()
RUN_S = 0.1


def sample(at_s: float, arrivals: float, *, workers: int = 10, backlog: float = 0.0) -> Sample:
    busy = min(arrivals * RUN_S, float(workers))
    return Sample(at_s, 1.0, arrivals, busy / RUN_S, busy, float(workers), backlog, 0.0, workers)


def fed(
    arrivals: list[float],
    rules: BurstRules = RULES,
    *,
    state: BurstState | None = None,
    base: int = 10,
    most: int = 50,
    since_s: int = 1_000,
) -> list[BurstDecision]:
    """One decision a second; the pool has what was decided."""
    decisions: list[BurstDecision] = []
    state = state or BurstState()
    workers = base
    for at_s, count in enumerate(arrivals):
        seen = sample(float(since_s + at_s), count, workers=workers)
        decision = decide(rules, state, seen, run_s=RUN_S, base=base, most=most, completed=min(count, workers / RUN_S))
        state, workers = decision.state, base + decision.extra
        decisions.append(decision)
    return decisions


CALM = [10.0] * 60


def test_ten_times_the_baseline_raises_a_surge() -> None:
    before, after = fed([*CALM, 100.0])[-2:]

    assert (0, 5) == (before.extra, after.extra)
    assert "100.0 jobs/s are 10.0 times the baseline of 10.0 jobs/s" in after.reason


def test_nothing_is_said_before_the_baseline_is_known() -> None:
    assert not any(decision.extra for decision in fed([10.0] * 59 + [1_000.0]))


def test_a_rise_that_fills_the_pool_before_a_worker_starts_raises_one_too() -> None:
    """At 70 % of ten workers, 1.43 times the load fills them: 70 jobs/s to 90, and 110 a second later."""
    decision = fed([*([70.0] * 60), 90.0, 110.0])[-1]

    assert 5 == decision.extra
    assert "fill the 10 slots" in decision.reason


def test_a_slow_rise_is_for_the_scaler() -> None:
    assert not any(decision.extra for decision in fed([60.0 + at * 0.1 for at in range(300)]))


@given(counts=st.lists(st.integers(0, 9), min_size=61, max_size=200))
def test_a_handful_of_jobs_is_no_burst(counts: list[int]) -> None:
    assert not any(decision.extra for decision in fed([float(count) for count in counts], base=50))


def test_it_goes_on_while_the_cause_does_and_ends_after_its_calm() -> None:
    long = [decision.extra for decision in fed([*CALM, *([100.0] * 700), *([10.0] * 40)])][60:]

    assert [5] * 700 == long[:700]
    assert [5] * 30 == long[700:730]
    assert not any(long[731:])


def test_it_does_not_end_on_a_moments_calm() -> None:
    waves = [*CALM, *([100.0, *[10.0] * 29] * 5)]

    assert all(decision.extra for decision in fed(waves)[60:])


def test_its_time_is_over_when_its_cause_is() -> None:
    rules = BurstRules(calm_s=1_000.0)
    decisions = fed([*CALM, *([100.0] * 10), *([10.0] * 320)], rules)
    ended = [decision.ended for decision in decisions if decision.ended]

    assert 1 == len(ended)
    assert 300 == pytest.approx(ended[0].ended_s - ended[0].began_s, abs=1)
    assert "its time is over" in ended[0].ending


@given(base=st.integers(0, 60), most=st.integers(1, 60))
def test_it_never_lifts_a_pool_above_what_it_may_have(base: int, most: int) -> None:
    for decision in fed([*CALM, 200.0, 200.0], base=base, most=most):
        assert 0 <= decision.extra <= max(0, most - base)


def test_what_it_costs_and_saves_is_kept() -> None:
    """100 jobs a second are 10 workers' work: with 5 more of 8 nothing waits, without them 20 a second would."""
    rules = BurstRules(cost_per_worker_hour=36.0)
    decisions = fed([*CALM, *([100.0] * 11)], rules, base=8)
    surge, totals = decisions[-1].state.surge, decisions[-1].state.totals

    assert surge is not None
    assert (50.0, 10.0) == (surge.worker_s, round(surge.peak, 1))
    assert 0.5 == pytest.approx(totals.cost)
    assert 10 * 100 * 5 / 13 == pytest.approx(surge.served)
    assert sum(20.0 * second for second in range(1, 11)) == pytest.approx(surge.avoided_s)


def test_a_budget_ends_surges_for_the_day() -> None:
    rules = BurstRules(cost_per_worker_hour=3_600.0, budget_per_day=100.0)
    decisions = fed([*CALM, *([100.0] * 100)], rules)

    assert 20 == pytest.approx(sum(decision.extra > 0 for decision in decisions), abs=1)
    assert "budget" in next(one.ended for one in decisions if one.ended).ending
    fresh = decisions[-1].state
    tomorrow = decide(rules, fresh, sample(1_000.0 + 86_400, 200.0), run_s=RUN_S, base=10, most=50)
    assert 0.0 == tomorrow.state.totals.spent


def test_one_that_was_stopped_does_not_come_back_while_it_would_have_lasted() -> None:
    state = fed([*CALM, 100.0])[-1].state
    stopped = decide(RULES, state, sample(1_061.0, 100.0), run_s=RUN_S, base=10, most=50, stopped_s=1_060.5)
    assert (0, "it was stopped") == (stopped.extra, stopped.ended and stopped.ended.ending)

    again = [decision.extra for decision in fed([100.0] * 50, state=stopped.state, since_s=1_062)]
    assert not any(again)


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.floats(0, 1e6), min_size=1, max_size=150),
    seconds=st.floats(-2, 5),
    run_s=st.one_of(st.none(), st.floats(1e-4, 100)),
)
def test_whatever_comes_extras_are_bounded_and_totals_only_grow(
    counts: list[float], seconds: float, run_s: float | None
) -> None:
    state, at_s, before = BurstState(), 0.0, 0.0
    for count in counts:
        at_s += seconds
        seen = Sample(at_s, seconds, count, count, 1.0, 10.0, count, 0.0, 10)
        decision = decide(RULES, state, seen, run_s=run_s, base=10, most=50)
        state = decision.state
        assert 0 <= decision.extra <= RULES.workers
        assert state.totals.worker_s >= before
        before = state.totals.worker_s


@pytest.mark.parametrize(
    "wrong",
    [
        {"factor": 1.0},
        {"factor": float("nan")},
        {"baseline_s": 0.0},
        {"lasts_s": -1.0},
        {"workers": -1},
        {"target": 1.0},
        {"cost_per_worker_hour": -1.0},
        {"budget_per_day": -1.0},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOption):
        BurstRules(**wrong)  # type: ignore[arg-type]
