"""The pool that traces are played against: nothing is lost in it, and it waits as queueing theory says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heijunka.errors import InvalidOption
from heijunka.policies.burst import BurstRules
from heijunka.policies.scaling import ScalingRules
from heijunka.simulation import RULERS, Levelled, Model, Seen, Trace, play, read_trace, shape
from heijunka.simulation.chart import svg
from heijunka.simulation.play import Pool, by_chance, erlang_c, peak_workers

RULES = ScalingRules()


class Always:
    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __call__(self, seen: Seen) -> int:
        return self.workers


@settings(max_examples=60, deadline=None)
@given(
    arrivals=st.lists(st.floats(0, 500), min_size=1, max_size=60),
    sizes=st.lists(st.integers(0, 60), min_size=60, max_size=60),
    hard=st.one_of(st.none(), st.integers(1, 500)),
    start_s=st.integers(0, 3),
)
def test_jobs_are_served_refused_or_wait_and_workers_stay_within_bounds(
    arrivals: list[float], sizes: list[int], hard: int | None, start_s: int
) -> None:
    pool = Pool(Model(run_s=0.1, start_s=start_s, hard=hard), RULES)
    served = 0.0
    for at_s, count in enumerate(arrivals):
        seen, accepted, wait_s = pool.second(at_s, count)
        served += seen.served
        assert 0 <= accepted <= count + 1e-9
        assert wait_s >= 0
        assert 0 <= pool.running <= pool.workers <= RULES.most
        pool.resize(at_s, sizes[at_s])
        assert RULES.least <= pool.workers

    assert sum(arrivals) == pytest.approx(served + pool.refused + pool.waiting)


def test_a_worker_runs_after_its_start_and_is_paid_from_its_order_on() -> None:
    pool = Pool(Model(run_s=0.1, start_s=3), RULES)
    running = []
    for at_s in range(6):
        running.append(pool.second(at_s, 0.0)[0].running)
        pool.resize(at_s, 4)

    assert [2, 2, 2, 2, 4, 4] == running
    assert 2 + 5 * 4 == pool.worker_s


def test_workers_that_start_go_first() -> None:
    pool = Pool(Model(start_s=5), RULES)
    pool.resize(0, 10)
    pool.resize(1, 3)

    assert (3, 2) == (pool.workers, pool.running)


def test_a_fluid_waits_for_what_is_before_it() -> None:
    """Two workers end 20 jobs a second; 30 come: after a minute 600 wait, and the last one for 29.5 s."""
    outcome = play(Trace("over", (30.0,)), Always(2), Model(run_s=0.1), RULES)

    assert 29.5 == outcome.waits[0]
    assert 1.0 == outcome.utilisation
    assert 29.5 <= outcome.p99_s <= 29.5 * 10 ** (1 / 20)


def test_the_oracle_has_as_few_workers_as_let_nobody_wait() -> None:
    trace = Trace("three", (100.0, 5.0, 10_000.0))

    outcome = play(trace, Always(10), Model(run_s=0.1), RULES)

    assert (10 + 2 + 50) / 60 == outcome.oracle_hours


def test_at_the_hard_limit_jobs_are_refused_and_no_more_wait() -> None:
    outcome = play(Trace("over", (100.0,) * 3), Always(2), Model(run_s=0.1, hard=50), RULES)

    assert 0.8 == pytest.approx(outcome.refused, abs=0.02)
    assert outcome.waits[-1] <= 50 / 20


@pytest.mark.parametrize(
    ("slots", "busy", "waits"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (5, 4.0, 0.5541), (30, 21, 0.0454)]
)
def test_erlangs_formula(slots: int, busy: float, waits: float) -> None:
    """M/M/1: the utilisation u; M/M/2: 2u²/(1+u); the others from tables of Erlang's C."""
    assert waits == pytest.approx(erlang_c(slots, busy), abs=2e-3)


def test_chance_spreads_all_jobs_and_a_full_pool_waits_for_ever() -> None:
    spread, late = by_chance(4, 3.0, 0.1, 1.0)

    assert 1.0 == pytest.approx(sum(share for _, share in spread), abs=1e-3)
    assert late == pytest.approx(erlang_c(4, 3.0) * math.exp(-1.0))
    assert 1.0 == by_chance(4, 4.0, 0.1, 1.0)[1]
    assert by_chance(4, 3.0, 0.1, 2.0)[1] > late > by_chance(4, 3.0, 0.1, 0.0)[1]


def test_levelled_pools_hold_their_target_and_follow_a_step() -> None:
    outcome = play(shape("step", peak=200.0, bins=30), Levelled(RULES), Model(run_s=0.1), RULES)

    assert outcome.waited < 0.01
    assert 29 <= outcome.workers[-1] <= 36  # what drained the backlog stays while the pool is over half busy
    assert outcome.events <= 6


def test_a_burst_gets_a_surge_that_ends_and_is_paid() -> None:
    rates = (*(10.0,) * 3, 200.0, *(10.0,) * 20)
    ruler = Levelled(RULES, BurstRules(cost_per_worker_hour=3.6))

    outcome = play(Trace("burst", rates), ruler, Model(run_s=0.1), RULES)

    assert 1 == ruler.surges.surges
    assert ruler.surges.worker_s / 1_000 == pytest.approx(ruler.surges.cost)
    assert 5 * 30 <= ruler.surges.worker_s <= 5 * 300 + 60
    assert 2 == outcome.workers[-1]


@pytest.mark.parametrize("name", RULERS)
def test_others_rules_serve_a_day(name: str) -> None:
    trace = shape("daily", peak=300.0, bins=48)

    outcome = play(trace, RULERS[name](RULES, peak_workers(trace, Model(), RULES)), Model(), RULES)

    assert 1.0 <= outcome.over_oracle < 3.0
    assert outcome.waited < 0.2


@pytest.mark.parametrize("wrong", [{"run_s": 0.0}, {"slots": 0}, {"start_s": -1}, {"hard": 0}, {"cv": -1.0}])
def test_pools_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOption):
        Model(**wrong)  # type: ignore[arg-type]


def test_the_picture_has_a_line_for_each_ruler_and_is_thinned() -> None:
    trace = shape("daily", peak=100.0, bins=3_000, bin_s=1)
    outcome = play(trace, Always(20), Model(), RULES)

    picture = svg(trace, {"a<b": outcome, "other": outcome})

    assert 5 == picture.count("<polyline")
    assert "a&lt;b" in picture
    assert len(picture) < 200_000


TRACES = Path(__file__).parents[3] / "shared" / "traces"


@pytest.mark.slow
@pytest.mark.skipif(not TRACES.is_dir(), reason="the recorded traces are not here")
@pytest.mark.parametrize("name", ["elb_request_count_8c0756", "nyc_taxi", "Twitter_volume_AAPL"])
def test_on_recorded_load_fewer_jobs_wait_than_by_the_queue_length_rule(name: str) -> None:
    trace = read_trace(TRACES / f"{name}.csv", gaps="skip").first(1_000).scaled(400.0)

    ours, theirs = (play(trace, ruler, Model(), RULES) for ruler in (Levelled(RULES), RULERS["hpa"](RULES, 50)))

    assert ours.waited < theirs.waited
    assert ours.p99_s <= theirs.p99_s
