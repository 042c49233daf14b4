"""A log record is one line, or one line and what belongs to it, indented."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from heijunka_cli.logs import Line


def record(message: str, *, name: str = "heijunka.worker", level: int = logging.INFO, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, level, "file.py", 1, message, (), None)
    made.created, made.process = 1_795_389_497.25, 77
    for key, value in more.items():
        setattr(made, key, value)
    return made


def test_elsewhere_than_on_a_terminal_a_line_is_plain_and_its_time_is_complete() -> None:
    line = Line(colour=False)

    assert "2026-11-22T23:18:17.250Z INFO [77] started" == line.format(record("started"))
    assert "2026-11-22T23:18:17.250Z WARNING [77] shop.tasks: low" == line.format(
        record("low", name="shop.tasks", level=logging.WARNING)
    )


def test_on_a_terminal_the_time_is_short_and_the_level_has_a_colour() -> None:
    shown = Line(colour=True).format(record("no", level=logging.ERROR))

    assert re.fullmatch(r"\x1b\[2m\d\d:\d\d:17\x1b\[0m \x1b\[31mERROR  \x1b\[0m no", shown)


def test_a_record_of_many_lines_goes_on_indented_and_controls_nothing() -> None:
    shown = Line(colour=False).format(record("a\x1b[2J\n2026-11-22T23:18:17.250Z INFO [1] forged\r\u2028x\n"))

    first, second = shown.split("\n")
    assert first.endswith(r"a\x1b[2J")
    assert r"    2026-11-22T23:18:17.250Z INFO [1] forged\r\u2028x" == second


def test_a_traceback_goes_below_its_record() -> None:
    with pytest.raises(ValueError, match="x") as raised:
        raise ValueError("x\x1b[2J")

    lines = Line(colour=False).format(record("failed", exc_info=raised._excinfo)).split("\n")

    assert ["    Traceback (most recent call last):", r"    ValueError: x\x1b[2J"] == [lines[1], lines[-1]]


def test_the_name_of_a_logger_controls_nothing() -> None:
    assert r"shop\n\x1b: low" in Line(colour=False).format(record("low", name="shop\n\x1b"))


@pytest.mark.parametrize(
    ("message", "shown"),
    [("there is no app", "error: there is no app"), ("hint: did you mean 'app'?", "hint: did you mean 'app'?")],
)
def test_why_nothing_was_started_is_shown_as_any_commands_error(message: str, shown: str) -> None:
    assert shown == Line(colour=False).format(record(message, level=logging.ERROR, at_start=True))


def test_on_a_terminal_it_has_the_same_colour_as_any_commands_error() -> None:
    line = Line(colour=True)

    assert "\x1b[31m\x1b[1merror:\x1b[0m no" == line.format(record("no", at_start=True))
    assert "\x1b[1mhint:\x1b[0m look" == line.format(record("hint: look", at_start=True))
