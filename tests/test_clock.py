"""Durations and moments as people write them."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.clock import duration_ms, instant_ms, moment, spell_ms
from heijunka.errors import InvalidOption

TEN_YEARS_MS = 10 * 365 * 86_400_000
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (0, 0),
        (30, 30_000),
        (0.25, 250),
        ("30", 30_000),
        ("0.5", 500),
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        (" 1 H 30 m ", 5_400_000),
        ("1.5h", 5_400_000),
        ("250ms", 250),
        ("2w", 1_209_600_000),
        (dt.timedelta(minutes=5, milliseconds=3), 300_003),
    ],
)
def test_a_duration_may_be_written_in_many_ways(written: Any, ms: int) -> None:
    assert ms == duration_ms(written)


@given(st.dictionaries(st.sampled_from(tuple(UNITS_MS)), st.integers(0, 200), min_size=1))
def test_the_parts_of_a_duration_add_up_in_any_order(parts: dict[str, int]) -> None:
    text = "".join(f"{count}{unit}" for unit, count in parts.items())

    assert sum(count * UNITS_MS[unit] for unit, count in parts.items()) == duration_ms(text)


@given(st.integers(0, TEN_YEARS_MS))
def test_a_timedelta_keeps_its_milliseconds(ms: int) -> None:
    assert ms == duration_ms(dt.timedelta(milliseconds=ms))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (-1, "is negative"),
        ("-5m", "is negative"),
        (dt.timedelta(seconds=-1), "is negative"),
        ("11y", "is not a duration"),
        ("", "is not a duration"),
        ("-", "is not a duration"),
        ("5m3", "is not a duration"),
        ("five minutes", "is not a duration"),
        ("nan", "is not a duration"),
        (float("nan"), "is not a duration"),
        (True, "is not a duration"),
        (None, "is not a duration"),
        (b"5m", "is not a duration"),
        ("inf", "is longer than ten years"),
        (float("inf"), "is longer than ten years"),
        (10**400, "is longer than ten years"),
        ("600w", "is longer than ten years"),
    ],
)
def test_what_is_no_duration_is_refused_by_the_name_of_its_option(written: Any, words: str) -> None:
    with pytest.raises(InvalidOption, match=f"^delay .*{words}") as caught:
        duration_ms(written, option="delay")

    assert "delay" == caught.value.option


@given(st.text() | st.floats() | st.integers() | st.timedeltas())
def test_anything_is_a_duration_or_refused(written: Any) -> None:
    with contextlib.suppress(InvalidOption):
        assert 0 <= duration_ms(written) <= TEN_YEARS_MS


@given(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9999, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - zones follow
def test_a_moment_is_the_same_in_every_time_zone(written: dt.datetime) -> None:
    milliseconds = instant_ms(written)

    assert abs(moment(milliseconds) - written) <= dt.timedelta(milliseconds=1)
    assert dt.UTC == moment(milliseconds).tzinfo


@pytest.mark.parametrize("written", [dt.datetime(2030, 1, 1), "2030-01-01", dt.date(2030, 1, 1), 1_893_456_000])  # noqa: DTZ001 - it is what is refused
def test_a_moment_without_its_time_zone_is_refused(written: Any) -> None:
    with pytest.raises(InvalidOption, match=r"has no time zone|is not a datetime"):
        instant_ms(written)


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 ms"), (850, "850 ms"), (12_345, "12.3 s"), (90_000, "90.0 s"), (300_000, "5 m"), (9_000_000, "2.5 h")],
)
def test_a_duration_is_spelled_for_people(ms: float, words: str) -> None:
    assert words == spell_ms(ms)
