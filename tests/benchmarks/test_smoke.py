"""Every benchmark runs, and counts right. How fast is not asked here."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import MEASURES, main
from benchmarks.figures import Figure, Point, Scale, alternated, growth, pace, percentile, reached

FIGURES = {
    "single": ["enqueue, to redis-py's PING", "aenqueue, 100 callers"],
    "bulk": ["enqueue_many"],
    "limits": ["enqueue with limits on, to off", "enqueue_many with limits on, to off"],
    "leases": ["admit and release, to two PINGs of redis-py"],
    "memory": ["memory of a queued job beyond its arguments"],
    "latency": ["enqueue to start, idle worker, 50% within", "enqueue to start, idle worker, 99% within"],
    "drain": [
        "drain inline",
        "drain event loop, 50 slots",
        "drain event loop, 1 slot",
        "drain inline, results kept",
    ],
    "crews": ["drain inline, supervised, one process", "drain inline, supervised, 2 processes"],
    "recovery": ["recovery of 200 jobs of a lost host"],
    "levelling": [
        "supervisor and coordinator, of one core",
        "limits, in CPU of workers, of one core",
        "limits, in CPU of the server, of one core",
    ],
    "rising": ["a step to 5 times the load: workers are there"],
    "depth": ["rate with 1,000 queued to 200", "memory of a worker over 1,000 jobs"],
}

RUN = [Point(at_s=10.0 + n, ended=100 * n * n, resident_mib=30.0 + n % 3) for n in range(11)]
"""Ten seconds, 10,000 jobs, ever faster."""


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_gives_its_figures(measure: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", measure, "--scale", "0.001", "--rounds", "1", "--json"])

    about, *figures = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"python", "server", "cores", "scale", "rounds"} == set(about)
    assert FIGURES[measure] == [figure["name"] for figure in figures if not figure["name"].startswith("  ")]
    assert all(figure["measure"] == measure for figure in figures)
    if measure != "levelling":  # the difference of two CPU times, which here are a tick or none
        assert all(figure["value"] > 0 for figure in figures)


def test_memory_of_a_queued_job_is_measured_with_the_bytes_it_must_have(capsys: pytest.CaptureFixture[str]) -> None:
    """A blob's fixed parts and its task's name alone take 30 bytes, and Redis's own share is no multiple of that."""
    main(["--only", "memory", "--scale", "0.02", "--rounds", "1", "--json"])

    figure = json.loads(capsys.readouterr().out.splitlines()[1])
    assert 30 < figure["value"] < 120


def test_a_target_is_a_floor_or_a_ceiling() -> None:
    assert ["met", "missed", "met", "missed", ""] == [
        Figure("rate", 5.0, "jobs/s", target=5.0).verdict,
        Figure("rate", 4.9, "jobs/s", target=5.0).verdict,
        Figure("memory", 5.0, "bytes", target=5.0, at_most=True).verdict,
        Figure("memory", 5.1, "bytes", target=5.0, at_most=True).verdict,
        Figure("cpu", 5.1, "µs").verdict,
    ]


def test_a_line_shows_figure_target_verdict_and_ratio() -> None:
    drain = Figure("drain inline", 98_765.4, "jobs/s", target=50_000, pings=5.432, note="one process")
    memory = Figure("memory", 41.284, "bytes", target=60, at_most=True)

    assert "drain inline 98,765 jobs/s ≥ 50,000 met 5.43 PINGs one process" == " ".join(drain.line().split())
    assert "memory 41.28 bytes ≤ 60.00 met" == " ".join(memory.line().split())


def test_a_pace_is_that_of_its_stretch_alone() -> None:
    assert (1_000.0, 500.0, 1_500.0) == (pace(RUN, 0, 1), pace(RUN, 0, 0.25), pace(RUN, 0.25, 1))


def test_a_pace_of_a_run_that_nobody_looked_into_is_that_of_the_whole() -> None:
    assert 50.0 == pace([Point(0.0, 0), Point(2.0, 100)], 0.1, 0.9)


def test_a_share_is_reached_at_the_first_look_that_shows_it() -> None:
    assert [10.0, 11.0, 12.0, 20.0, 20.0] == [reached(RUN, ended).at_s for ended in (0, 100, 101, 10_000, 10_001)]


def test_growth_is_the_most_after_a_share_to_what_it_was_then() -> None:
    """A tenth had ended at the fourth second, with 31 MiB; 32 was the most after it."""
    assert 32 / 31 == growth(RUN, 0.1)
    assert 0.0 == growth([Point(0.0, 0), Point(2.0, 100)], 0.1)


def test_alternation_pairs_what_was_measured_together() -> None:
    ours, theirs = iter([2.0, 30.0, 4.0]), iter([1.0, 10.0, 8.0])

    assert (4.0, 8.0, 2.0) == alternated(lambda: next(ours), lambda: next(theirs), rounds=3)


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert (99, 51, 1) == (percentile(range(100), 0.99), percentile(range(1, 101), 0.5), percentile([1], 0.99))


def test_a_scale_keeps_enough_to_measure() -> None:
    assert [200_000, 20_000, 200] == [Scale(factor).jobs(200_000) for factor in (1.0, 0.1, 0.0001)]
