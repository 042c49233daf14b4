"""A flood of failures is a few lines and a count."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from heijunka.worker.sparing import LINES_PER_S, Sparing
from tests.fixtures.waiting import wait_until

log = logging.getLogger("heijunka.test")


class Moments:
    """A clock that a test moves, and what is to be called later."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Note what is to be called."""
        self.due.append((self.now + seconds, call))

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and call what is due by then."""
        self.now += seconds
        due, self.due = [each for each in self.due if each[0] <= self.now], [e for e in self.due if e[0] > self.now]
        for _, call in due:
            call()


@pytest.fixture
def moments() -> Moments:
    return Moments()


@pytest.fixture
def sparing(moments: Moments) -> Sparing:
    return Sparing(log, clock=lambda: moments.now, later=moments.later)


def test_a_flood_is_a_bounded_number_of_lines_and_a_count(
    sparing: Sparing, moments: Moments, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(10_000):
        sparing.say(logging.WARNING, "failure %d", number)
    moments.pass_by(1.0)

    expected = [f"failure {number}" for number in range(LINES_PER_S)]
    assert [*expected, f"and {10_000 - LINES_PER_S:,} more failures, not logged one by one"] == caplog.messages


def test_each_second_has_its_own_lines(sparing: Sparing, moments: Moments, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        for number in range(LINES_PER_S + 1):
            sparing.say(logging.WARNING, "failure %d", number)
        moments.pass_by(1.0)

    assert 3 * (LINES_PER_S + 1) == len(caplog.messages)
    assert 3 == caplog.messages.count("and 1 more failure, not logged one by one")
    assert [] == moments.due


def test_failures_now_and_then_are_all_logged_and_nothing_is_left_to_do(
    sparing: Sparing, moments: Moments, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        sparing.say(logging.ERROR, "failure %d", number)
        moments.pass_by(0.3)
    sparing.flush()

    assert [f"failure {number}" for number in range(100)] == caplog.messages
    assert [] == moments.due


def test_what_belongs_to_a_line_is_logged_for_who_debugs_alone(
    sparing: Sparing, caplog: pytest.LogCaptureFixture
) -> None:
    def never() -> str:
        raise AssertionError("asked for what nobody logs")

    with caplog.at_level(logging.INFO, log.name):
        sparing.say(logging.WARNING, "plain", more=never)
    with caplog.at_level(logging.ERROR, log.name):
        sparing.say(logging.WARNING, "unheard", more=never)
    with caplog.at_level(logging.DEBUG, log.name):
        sparing.say(logging.WARNING, "told", more=lambda: "Traceback: here\n")

    assert ["plain", "told", "Traceback: here"] == caplog.messages


def test_the_count_is_told_although_nothing_else_happens(caplog: pytest.LogCaptureFixture) -> None:
    sparing = Sparing(log, lines_per_s=1)
    for _ in range(1_000):
        sparing.say(logging.WARNING, "failure")

    wait_until(lambda: "not logged one by one" in caplog.text)
