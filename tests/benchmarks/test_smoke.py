"""Every benchmark runs, and counts right. How fast is not asked here."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import MEASURES, main
from benchmarks.figures import Figure, alternated, percentile


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_gives_figures(measure: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", measure, "--scale", "0.001", "--rounds", "1", "--json"])

    figures = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert figures
    assert all(figure["measure"] == measure and figure["value"] > 0 for figure in figures)


def test_a_target_is_a_floor_or_a_ceiling() -> None:
    assert ["met", "missed", "met", "missed", ""] == [
        Figure("rate", 5.0, "jobs/s", target=5.0).verdict,
        Figure("rate", 4.9, "jobs/s", target=5.0).verdict,
        Figure("memory", 5.0, "bytes", target=5.0, at_most=True).verdict,
        Figure("memory", 5.1, "bytes", target=5.0, at_most=True).verdict,
        Figure("cpu", 5.1, "µs").verdict,
    ]


def test_alternation_pairs_what_was_measured_together() -> None:
    ours, theirs = iter([2.0, 30.0, 4.0]), iter([1.0, 10.0, 8.0])

    assert (4.0, 8.0, 2.0) == alternated(lambda: next(ours), lambda: next(theirs), rounds=3)


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert (99, 51, 1) == (percentile(range(100), 0.99), percentile(range(1, 101), 0.5), percentile([1], 0.99))
