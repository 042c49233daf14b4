"""What docs/lua.md shows keeps its own rules and is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from heijunka.broker import scripts
from heijunka.broker.header import ARG_TYPES, FLAGS, KEY_TYPES
from tests.lua import rules

PAGE = (Path(__file__).parents[2] / "docs" / "lua.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_script_that_is_shown_keeps_the_rules() -> None:
    (shown,) = blocks("lua")
    clock = (scripts.folder() / "include" / "clock.lua").read_text(encoding="utf-8")

    assert [] == rules.broken_by_script(shown, "renew", {"clock": clock})


def test_the_python_that_is_shown_answers_as_shown() -> None:
    (shown,) = blocks("python")
    session = doctest.DocTestParser().get_doctest(shown, {}, "docs/lua.md", "docs/lua.md", 0)
    runner = doctest.DocTestRunner(verbose=False)

    runner.run(session)

    assert (0, len(session.examples)) == (runner.failures, runner.tries)


def test_the_page_names_every_type_and_flag_and_limit() -> None:
    for word in ARG_TYPES | FLAGS | KEY_TYPES:
        assert f"`{word}`" in PAGE
    assert f"{rules.SCRIPT_LINES} lines" in PAGE
    assert f"{rules.INCLUDE_LINES} lines" in PAGE
