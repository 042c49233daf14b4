"""What values may be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.config import kinds
from heijunka.config.kinds import Kind, Refused

TEN_MINUTES = kinds.duration("1s", "10m")
A_MEGABYTE = kinds.size("1KiB", "1MiB")
UP_TO_200 = kinds.whole(1, 200)
LEVEL = kinds.choice("DEBUG", "INFO", synonyms={"0": "INFO", "true": "DEBUG"})
NAME = kinds.text("lower case", r"[a-z]{1,3}")
OPTIONAL = kinds.or_none(TEN_MINUTES, none=0)


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        (TEN_MINUTES, "1m30s", 90_000),
        (TEN_MINUTES, "90", 90_000),
        (TEN_MINUTES, 1.5, 1_500),
        (TEN_MINUTES, timedelta(seconds=2), 2_000),
        (TEN_MINUTES, "1s", 1_000),
        (TEN_MINUTES, "10m", 600_000),
        (A_MEGABYTE, "256KiB", 262_144),
        (A_MEGABYTE, " 256 kib ", 262_144),
        (A_MEGABYTE, "0.5MB", 500_000),
        (A_MEGABYTE, "2048", 2_048),
        (A_MEGABYTE, 2_048, 2_048),
        (A_MEGABYTE, "1MiB", 1_048_576),
        (UP_TO_200, "200", 200),
        (UP_TO_200, " 1_0 ", 10),
        (UP_TO_200, 1, 1),
        (LEVEL, "info", "INFO"),
        (LEVEL, "0", "INFO"),
        (LEVEL, True, "DEBUG"),
        (NAME, " abc ", "abc"),
        (OPTIONAL, None, 0),
        (OPTIONAL, " None ", 0),
        (OPTIONAL, "2s", 2_000),
    ],
)
def test_a_value_reads_as_what_the_library_uses(kind: Kind, written: object, expected: object) -> None:
    assert expected == kind.read(written)


@pytest.mark.parametrize(
    ("kind", "written", "reason"),
    [
        (TEN_MINUTES, "999ms", "is too small"),
        (TEN_MINUTES, "601s", "is too large"),
        (TEN_MINUTES, "-3s", "is negative"),
        (TEN_MINUTES, "soon", "is not a duration"),
        (TEN_MINUTES, "", "is not a duration"),
        (TEN_MINUTES, True, "is not a duration"),
        (TEN_MINUTES, None, "is not a duration"),
        (A_MEGABYTE, 1_023, "is too small"),
        (A_MEGABYTE, "1025KiB", "is too large"),
        (A_MEGABYTE, "3QB", "is not a size"),
        (A_MEGABYTE, "-3kB", "is not a size"),
        (A_MEGABYTE, True, "is not a size"),
        (A_MEGABYTE, 2_048.0, "is not a size"),
        (A_MEGABYTE, "0.0001KiB", "is not a whole number of bytes"),
        (UP_TO_200, 0, "is too small"),
        (UP_TO_200, "201", "is too large"),
        (UP_TO_200, "-5", "is too small"),
        (UP_TO_200, 2.5, "is not a whole number"),
        (UP_TO_200, "2.0", "is not a whole number"),
        (UP_TO_200, "9" * 5_000, "is not a whole number"),
        (UP_TO_200, False, "is not a whole number"),
        (UP_TO_200, "", "is not a whole number"),
        (LEVEL, "loud", "is none of the possible words"),
        (LEVEL, 10, "is not text"),
        (NAME, "ABC", "has characters or a length it cannot have"),
        (NAME, "abcd", "has characters or a length it cannot have"),
        (NAME, "a\nb", "has characters or a length it cannot have"),
        (NAME, "  ", "is empty"),
        (NAME, ["abc"], "is not text"),
        (OPTIONAL, "", "is not a duration"),
    ],
)
def test_a_value_of_no_use_is_refused_with_the_reason(kind: Kind, written: object, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        kind.read(written)

    assert reason == str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (TEN_MINUTES, 90_000, "90s"),
        (TEN_MINUTES, 600_000, "10m"),
        (TEN_MINUTES, 1_001, "1001ms"),
        (TEN_MINUTES, 0, "0s"),
        (A_MEGABYTE, 262_144, "256KiB"),
        (A_MEGABYTE, 1_000, "1000B"),
        (OPTIONAL, 0, "none"),
        (LEVEL, "INFO", "INFO"),
    ],
)
def test_a_value_is_shown_in_the_largest_unit_that_is_exact(kind: Kind, value: object, shown: str) -> None:
    assert shown == kind.show(value)


@given(st.integers(1_000, 600_000))
def test_every_duration_shown_reads_as_itself(ms: int) -> None:
    assert ms == TEN_MINUTES.read(TEN_MINUTES.show(ms))


@given(st.integers(1_024, 1_048_576))
def test_every_size_shown_reads_as_itself(size: int) -> None:
    assert size == A_MEGABYTE.read(A_MEGABYTE.show(size))


def test_a_long_value_is_repeated_shortened() -> None:
    assert 80 == len(UP_TO_200.quote("9" * 5_000))


def test_what_is_allowed_is_said_in_words() -> None:
    assert [
        "a duration from 1s to 10m",
        "a size from 1KiB to 1MiB",
        "a whole number from 1 to 200",
        "DEBUG or INFO",
        "lower case",
        'a duration from 1s to 10m, or "none"',
    ] == [kind.allowed for kind in (TEN_MINUTES, A_MEGABYTE, UP_TO_200, LEVEL, NAME, OPTIONAL)]
