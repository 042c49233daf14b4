"""Every word for a pool has its numbers, and the table of the docstring is what holds."""

from __future__ import annotations

import re

import pytest

from heijunka.policies import health as page
from heijunka.policies.health import WORDS, health
from heijunka.policies.scaling import Sample, ScalingRules

RULES = ScalingRules()


def sample(*, backlog: int = 0, oldest_s: float = 0.0, workers: int = 8) -> Sample:
    return Sample(1.0, 1.0, 0, 0, 0.0, 0.0, backlog=backlog, oldest_s=oldest_s, workers=workers)


@pytest.mark.parametrize(
    ("word", "seen", "utilisation"),
    [
        ("down", sample(backlog=1, workers=0), 0.0),
        ("degraded", sample(backlog=1, oldest_s=61.0), 0.7),
        ("saturated", sample(), 0.81),
        ("saturated", sample(backlog=9, workers=50), 0.75),
        ("idle", sample(workers=2), 0.49),
        ("underused", sample(), 0.49),
        ("healthy", sample(), 0.7),
        ("healthy", sample(backlog=9, oldest_s=59.0), 0.7),
        ("healthy", sample(workers=2), 0.5),
        ("idle", sample(workers=0), 0.0),
    ],
)
def test_numbers_make_the_word(word: str, seen: Sample, utilisation: float) -> None:
    assert word == health(RULES, seen, utilisation)


def test_a_wait_that_was_named_counts_instead_of_a_minute() -> None:
    assert "degraded" == health(ScalingRules(target_wait_s=5.0), sample(backlog=1, oldest_s=6.0), 0.7)


def test_the_table_names_every_word_in_the_order_in_which_they_are_looked_at() -> None:
    assert list(WORDS) == re.findall(r"^\| (\w+) \| ", page.__doc__ or "", re.MULTILINE)[1:]
