"""Each rule for bodies, tried on a script that keeps it and on one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from heijunka.broker.header import parse
from tests.lua import rules

MOVE = """\
-- move: move jobs from one stream to another.
--
-- KEYS[1] session    string  this caller's last number
-- KEYS[2] high       stream
-- KEYS[3] low        stream
-- KEYS[4..6] sources stream  in pull order
-- ARGV[1] seq        int
-- ARGV[2] now        int     ms
-- ARGV[3] alone      flag
-- ARGV[4..] jobs     where str, job bytes
-- Returns {"moved", count, ids...} | {"stale"} | {"empty"}
-- Cost    O(jobs)

-- @include clock

local session = KEYS[1]
local ready = { h = KEYS[2], low = KEYS[3] }
local sources = { unpack(KEYS, 4, 6) }
local seq, now, alone =
  tonumber(ARGV[1]), clock(ARGV[2]), ARGV[3] == '1'

if redis.call('GET', session) == seq and alone then -- seen
  return { 'stale' }
end
local reply = { 'moved', #sources }
for i = 4, #ARGV, 2 do
  reply[#reply + 1] = redis.call('XADD', ready[ARGV[i]], now, ARGV[i + 1])
end
return #reply > 2 and reply or { 'empty' }
"""

CLOCK = """\
-- clock(given): `given` unless it is 0, else the time.

local function clock(given)
  return given or redis.call('TIME')[1]
end
"""

ENDS = """\
-- end_all: end attempts.
--
-- ARGV[1..] ends  mixed  "ack" entry | "done" entry result
-- Returns {"ended"}
-- Cost    O(ends)

-- @include arity

local at = 1
while at <= #ARGV do
  at = at + ARITY[ARGV[at]]
end
return { 'ended' }
"""

ARITY = "-- ARITY: what an outcome takes.\n\nlocal ARITY = { ack = 2, done = 3 }\n"


def test_a_script_that_keeps_every_rule_has_nothing_wrong() -> None:
    assert [] == rules.broken_by_script(MOVE, "move", {"clock": CLOCK})
    assert [] == rules.broken_by_script(ENDS, "end_all", {"arity": ARITY})
    assert [] == rules.broken_by_include(CLOCK, "clock")


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        # each slot has one name, that of the contract, at the top
        ("local session = KEYS[1]\n", "", "3: KEYS[1], session, is not named at the top"),
        ("local session = KEYS[1]", "local caller = KEYS[1]", "16: KEYS[1] is session by contract and caller here"),
        ("h = KEYS[2]", "n = KEYS[2]", "17: KEYS[2] is high by contract and n here"),
        ("unpack(KEYS, 4, 6)", "unpack(KEYS, 4, 7)", "6: KEYS[4..6], sources, is not named at the top"),
        ("unpack(KEYS, 4, 6)", "unpack(KEYS, 4, 7)", "18: KEYS[4..7] is no slot of the contract"),
        (
            "local session = KEYS[1]",
            "local session, extra = KEYS[1], KEYS[7]",
            "16: KEYS[7] is no slot of the contract",
        ),
        ("local session = KEYS[1]", "local session, again = KEYS[1], KEYS[1]", "16: KEYS[1] is named twice"),
        ("tonumber(ARGV[1]), clock", "ARGV[2], clock", "7: ARGV[1], seq, is not named at the top"),
        (
            "tonumber(ARGV[1]), clock(ARGV[2])",
            "clock(ARGV[2]), tonumber(ARGV[1])",
            "19: ARGV[2] is now by contract and seq here",
        ),
        ("local session = KEYS[1]", "local session = KEYS[1] .. 'x'", "3: KEYS[1], session, is not named at the top"),
        ("ARGV[3] == '1'\n", "ARGV[3] or 1\n", "9: ARGV[3], alone, is not named at the top"),
        # and is not indexed below
        ("'GET', session", "'GET', KEYS[1]", "22: KEYS[1] is indexed, not named at the top"),
        ("'GET', session", "'GET', KEYS[i]", "22: KEYS is used below its names, and nothing in it repeats"),
        ("ready[ARGV[i]]", "ready[ARGV[5]]", "27: ARGV[5] is indexed, not named at the top"),
        # what repeats is walked as the contract says
        ("for i = 4", "for i = 3", "26: jobs go from 4 on by 2 by contract, not here"),
        ("#ARGV, 2 do", "#ARGV do", "26: jobs go from 4 on by 2 by contract, not here"),
        ("for i = 4, #ARGV, 2", "for i in each(ARGV)", "10: ARGV[4..], jobs, is not walked from 4 on"),
        # replies
        ("{ 'empty' }", "{ 'nothing' }", '1: the reply "empty" is in the contract and not in the code'),
        ("{ 'empty' }", "{ 'nothing' }", "29: the reply 'nothing' is not in the contract"),
        ("{ 'stale' }", "{\n    'gone',\n    1,\n  }", "24: the reply 'gone' is not in the contract"),
        # what no script may do
        ("'GET', session", "'KEYS', session", "22: KEYS is not for scripts: its time is not bounded by an argument"),
        ("'GET', session", "'hscan', session", "22: HSCAN is not for scripts: its time is not bounded by an argument"),
        (
            "'XADD'",
            "'XAUTOCLAIM'",
            "27: XAUTOCLAIM is not for scripts: an entry belongs to one worker for its whole life",
        ),
        ("'XADD'", "'XCLAIM'", "27: XCLAIM is not for scripts: an entry belongs to one worker for its whole life"),
        (
            "redis.call('XADD', ",
            "called('SCAN', ",
            "27: SCAN is not for scripts: its time is not bounded by an argument",
        ),
        ("'GET', session", "'TIME'", "22: TIME is not for scripts: the clock is read once, by include/clock"),
        (
            "{ 'stale' }",
            "cjson.decode(reply)",
            "23: cjson is not for scripts: what users send is not decoded here, and numbers would not survive it",
        ),
        # one scope for all
        ("local reply =", "local clock =", "25: clock is defined in lua/include/clock.lua too"),
        ("local reply =", "local reply, clock =", "25: clock is defined in lua/include/clock.lua too"),
    ],
)
def test_a_script_that_breaks_a_rule_is_told_where(old: str, new: str, wrong: str) -> None:
    assert old in MOVE

    assert f"lua/move.lua:{wrong}" in rules.broken_by_script(MOVE.replace(old, new, 1), "move", {"clock": CLOCK})


def test_an_include_says_what_others_may_use_of_it() -> None:
    silent = CLOCK.replace("-- clock(given): `given` unless it is 0, else the time.", "-- The time.")

    assert [
        "lua/include/clock.lua:3: lua/move.lua uses clock, but the comment at the head does not say what it is"
    ] == rules.broken_by_script(MOVE, "move", {"clock": silent})


def test_an_include_need_not_name_what_only_it_uses() -> None:
    private = CLOCK.replace("\nlocal function", "\nlocal EPOCH = 0\n\nlocal function").replace("[1]", "[1] - EPOCH")

    assert [] == rules.broken_by_script(MOVE, "move", {"clock": private})


def test_two_includes_may_not_define_one_name() -> None:
    other = "-- now(): the time. clock(): too.\n\nlocal function clock()\n  return 1\nend\n"

    assert "lua/include/now.lua:3: clock is defined in lua/include/clock.lua too" in rules.broken_by_script(
        MOVE, "move", {"clock": CLOCK, "now": other}
    )


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("done = 3", "done = 2", "lua/include/arity.lua:3: done takes 3 values by contract and 2 here"),
        (", done = 3", "", 'lua/end_all.lua:3: "done" is in the contract and not in the code'),
    ],
)
def test_a_mix_is_taken_apart_as_the_contract_says(old: str, new: str, wrong: str) -> None:
    assert [wrong] == rules.broken_by_script(ENDS, "end_all", {"arity": ARITY.replace(old, new)})


def test_a_script_is_short() -> None:
    lines = len(MOVE.split("local session")[1].strip().splitlines()) - 1
    padding = "local a = 1\n" * (rules.SCRIPT_LINES - lines)
    fitting = MOVE.replace("local reply", padding.replace("local a", "reply") + "-- why\n\nlocal reply")

    assert [] == rules.broken_by_script(fitting, "move", {"clock": CLOCK})
    assert [
        "lua/move.lua:1: 61 lines of code, 60 at most: make an include of a part, or a script of its own"
    ] == rules.broken_by_script(fitting.replace("local reply", "reply = 2\nlocal reply"), "move", {"clock": CLOCK})


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("local one = 1\n", "1: a comment that says what the include defines is missing"),
        (
            "-- first(): the first.\n\nlocal function first()\n  return ARGV[1]\nend\n",
            "4: an include knows no places in KEYS and ARGV: they are given to it",
        ),
        (
            "-- now(): the time.\n\nlocal now = redis.call('TIME')\n",
            "3: TIME is not for scripts: the clock is read once, by include/clock",
        ),
        (
            "-- long: long.\n\nlocal long = {\n" + "  1,\n" * 39 + "}\n",
            "1: 41 lines of code, 40 at most: make an include of a part, or a script of its own",
        ),
    ],
)
def test_an_include_that_breaks_a_rule_is_told_where(text: str, wrong: str) -> None:
    assert [f"lua/include/late.lua:{wrong}"] == rules.broken_by_include(text, "late")


def test_reply_words_without_a_test_are_named(tmp_path: Path) -> None:
    header, test = parse(MOVE, "move"), tmp_path / "test_move.py"
    assert ["moved", "stale", "empty"] == rules.untested_words(header, test)

    test.write_text("def test_a_stale_call():\n    '''\"empty\"'''\n    assert [b'moved', 1] == reply\n")

    assert ["stale"] == rules.untested_words(header, test)
