"""A script is pasted together from files, and every line remembers where it came from."""

from __future__ import annotations

from textwrap import dedent

import pytest

from heijunka.broker.assembly import Assembly, assemble
from heijunka.errors import ScriptSourceError

CLOCK = "-- clock(): the time.\n\nlocal function clock()\n  return 1\nend\n"


def assembled(text: str, **includes: str) -> Assembly:
    return assemble(dedent(text), "move", includes.get)


def test_comments_and_blank_lines_go_and_each_line_keeps_its_place() -> None:
    result = assembled(
        """\
        -- move: move a job.
        --
        -- Cost    O(1)
        -- Flags   allow-oom, allow-stale

        -- @include clock

        local now = clock()

        -- why
        return { now }  -- in ms
        """,
        clock=CLOCK,
    )

    assert result == Assembly(
        source=dedent(
            """\
            #!lua flags=allow-oom,allow-stale
            local function clock()
              return 1
            end
            local now = clock()
            return { now }  -- in ms
            """
        ),
        flags=("allow-oom", "allow-stale"),
        places=(
            "lua/move.lua:4",
            "lua/include/clock.lua:3",
            "lua/include/clock.lua:4",
            "lua/include/clock.lua:5",
            "lua/move.lua:8",
            "lua/move.lua:11",
        ),
        includes=("clock",),
    )


def test_a_script_without_flags_has_a_plain_shebang() -> None:
    assert assembled("-- move: move.\nreturn 1\n") == Assembly(
        "#!lua\nreturn 1\n", (), ("lua/move.lua:1", "lua/move.lua:2"), ()
    )


def test_only_the_comment_at_the_head_has_flags() -> None:
    assert () == assembled("-- move: move.\n\n-- Flags   no-writes\nreturn 1\n").flags


def test_what_looks_like_a_comment_in_a_string_stays() -> None:
    assert "#!lua\nlocal a = '-- @include b'\nreturn a .. '--'\n" == (
        assembled("local a = '-- @include b'\nreturn a .. '--'\n").source
    )


def test_an_include_is_pasted_once_before_the_first_that_needs_it() -> None:
    result = assembled(
        "-- @include settle\n-- @include ring\nreturn settle()\n",
        settle="-- @include ring\n-- @include place\nlocal settle = 3\n",
        place="-- @include ring\nlocal place = 2\n",
        ring="local ring = 1\n",
    )

    assert "#!lua\nlocal ring = 1\nlocal place = 2\nlocal settle = 3\nreturn settle()\n" == result.source
    assert ("ring", "place", "settle") == result.includes


@pytest.mark.parametrize(
    ("includes", "place", "chain"),
    [
        ({"a": "-- @include a\n"}, "lua/include/a.lua:1", "move → a → a"),
        (
            {"a": "-- first\n-- @include b\n", "b": "-- @include c\n", "c": "-- @include a\n"},
            "lua/include/c.lua:1",
            "move → a → b → c → a",
        ),
    ],
)
def test_an_include_that_includes_itself_is_refused_with_the_way_it_did(
    includes: dict[str, str], place: str, chain: str
) -> None:
    with pytest.raises(ScriptSourceError) as refused:
        assembled("-- @include a\nreturn 1\n", **includes)

    assert f"{place}: a includes itself: {chain}" == str(refused.value)
    assert place == refused.value.place


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("-- move: move.\n\n-- @include clok\n", 3, "there is no include clok"),
        ("--@include clock\n", 1, "this is no include: --@include clock"),
        ("-- @include clock, ring\n", 1, "this is no include: -- @include clock, ring"),
        ("-- @include ../clock\n", 1, "this is no include: -- @include ../clock"),
        ("local a = 1\n--[[ why\nthis ]]\n", 2, "a comment may not go on over several lines"),
        ("local a = 1\n--[==[ why ]==]\n", 2, "a comment may not go on over several lines"),
        ("local a = [[\n-- text\n]]\n", 1, "long brackets may go on over several lines"),
        ("local a = 1 --[=[ why\n]=]\n", 1, "long brackets may go on over several lines"),
        ("local a = 'one\\\n-- two'\n", 1, "the string goes on over the line's end"),
    ],
)
def test_what_would_blur_the_lines_is_refused_with_its_place(text: str, line: int, said: str) -> None:
    with pytest.raises(ScriptSourceError) as refused:
        assembled(text, clock=CLOCK)

    assert f"lua/move.lua:{line}" == refused.value.place
    assert f"lua/move.lua:{line}: {said}" == str(refused.value)
    assert refused.value.hint


def test_indexing_by_an_indexed_value_is_no_long_bracket() -> None:
    assert "#!lua\nreturn a[b[1]]\n" == assembled("return a[b[1]]\n").source
