"""What is counted is told in its number."""

from __future__ import annotations

import pytest

from heijunka.counted import counted


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "job", "0 jobs"),
        (1, "job", "1 job"),
        (2, "slot", "2 slots"),
        (1, "process", "1 process"),
        (3, "process", "3 processes"),
        (1_000, "dead letter", "1,000 dead letters"),
    ],
)
def test_a_noun_has_the_number_of_what_it_counts(number: int, noun: str, told: str) -> None:
    assert told == counted(number, noun)
