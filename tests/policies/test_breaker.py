"""The breaker: opens on failures, rests for longer each time, tries one, and closes when that succeeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.errors import InvalidOption
from heijunka.policies.breaker import CLOSED, BreakerRules, BreakerState, failed, read, rested, succeeded

RULES = BreakerRules()


def after(outcomes: str, rules: BreakerRules = RULES, state: BreakerState = CLOSED) -> BreakerState:
    """`x` fails and `.` succeeds, at moment 0."""
    for outcome in outcomes:
        state = failed(rules, state, 0.0) if outcome == "x" else succeeded(rules, state)
    return state


@pytest.mark.parametrize(
    ("outcomes", "word"), [("xx", "closed"), ("xxx", "open"), ("xx.xx", "closed"), (".xxx", "open")]
)
def test_failures_in_a_row_open_it(outcomes: str, word: str) -> None:
    assert word == after(outcomes).word


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [("xxx", "closed"), ("xx..", "closed"), (".x.x", "open"), ("x...xx", "open"), ("x...x", "closed")],
)
def test_a_share_of_the_last_attempts_opens_it_once_there_are_so_many(outcomes: str, word: str) -> None:
    assert word == after(outcomes, BreakerRules(0, 0.5, 4)).word


def test_it_rests_twice_as_long_each_time_up_to_a_bound() -> None:
    state, rests = after("xxx"), []
    for _ in range(6):
        rests.append(state.open_s)
        half = rested(RULES, state, state.until_s)
        assert "half-open" == half.word
        state = failed(RULES, half, state.until_s)

    assert [5, 10, 20, 40, 60, 60] == rests


def test_it_closes_when_the_probe_succeeds_and_forgets() -> None:
    closed = succeeded(RULES, rested(RULES, after("xxx"), 5.0))

    assert CLOSED == closed
    assert 5.0 == after("xxx", state=closed).open_s


def test_it_stays_open_until_its_time_is_over_and_for_ever_when_that_is_asked_for() -> None:
    assert "open" == rested(RULES, after("xxx"), 4.999).word
    assert "open" == rested(BreakerRules(manual=True), after("xxx"), 1e9).word


@given(outcomes=st.text("x.", max_size=60), failures=st.integers(1, 10))
def test_it_opens_exactly_when_that_many_failed_in_a_row(outcomes: str, failures: int) -> None:
    assert ("x" * failures in outcomes) == ("open" == after(outcomes, BreakerRules(failures)).word)


@pytest.mark.parametrize(
    ("text", "rules"), [("3", BreakerRules(3)), (" 0.5 OF 20 ", BreakerRules(0, 0.5, 20)), ("none", None)]
)
def test_it_is_written_in_words(text: str, rules: BreakerRules | None) -> None:
    assert rules == read(text)


@pytest.mark.parametrize(
    "text", ["0", "-1", "many", "0.5", "0.5 of", "0 of 20", "1.5 of 20", "0.5 of 0", "0.5 of 2000", ""]
)
def test_what_is_no_breaker_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="breaker"):
        read(text)


@pytest.mark.parametrize(
    "wrong",
    [{"failures": 0}, {"share": 0.5}, {"failures": 0, "share": 0.5}, {"failures": 0, "share": 2.0, "of": 3},
     {"open_s": 0.0}, {"open_s": 9.0, "longest_s": 5.0}],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOption):
        BreakerRules(**wrong)  # type: ignore[arg-type]
