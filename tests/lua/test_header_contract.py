"""The head of a script is read as its contract, and what is no contract is refused where it goes wrong."""

from __future__ import annotations

import pytest

from heijunka.broker.header import Answer, Field, Header, Slot, parse
from heijunka.errors import ScriptSourceError

CONTRACT = """\
-- move: move jobs from one stream to another.
-- What is moved is no longer there to be moved.
--
-- KEYS[1] session    string  this caller's last number
-- KEYS[2..4] sources stream  in pull order
-- ARGV[1] seq        int     the caller's number
-- ARGV[2] limit      int     jobs
--                            of each source
-- ARGV[3..] jobs     where str, job bytes
-- Returns {"moved", count, ids...} | {"stale"}
--         | {"empty"}
-- Cost    O(limit)
-- Flags   allow-oom, allow-stale

-- @include clock

return { 'stale' }
"""

MIX = """\
-- end_all: end attempts.
--
-- ARGV[1] now       int    ms
-- ARGV[2..] ends    mixed  "ack", "drop" entry
--                          | "done" entry result | "all" count entry... | "stop"
-- Returns {"ended"}
-- Cost    O(ends)

return { 'ended' }
"""


def test_a_contract_is_read_whole() -> None:
    expected = Header(
        name="move",
        summary="move jobs from one stream to another. What is moved is no longer there to be moved.",
        keys=(
            Slot("session", "string", 1, 1, "lua/move.lua:4"),
            Slot("sources", "stream", 2, 4, "lua/move.lua:5"),
        ),
        args=(
            Slot("seq", "int", 1, 1, "lua/move.lua:6"),
            Slot("limit", "int", 2, 2, "lua/move.lua:7"),
            Slot("jobs", "group", 3, None, "lua/move.lua:9", fields=(Field("where", "str"), Field("job", "bytes"))),
        ),
        answers=(Answer("moved", ("count", "ids...")), Answer("stale", ()), Answer("empty", ())),
        cost="O(limit)",
        flags=("allow-oom", "allow-stale"),
    )

    assert expected == parse(CONTRACT, "move")


def test_a_mix_tells_its_items_apart_by_their_first_word() -> None:
    ends = parse(MIX, "end_all").args[1]

    assert Slot(
        "ends",
        "mixed",
        2,
        None,
        "lua/end_all.lua:4",
        variants={
            "ack": ("entry",),
            "drop": ("entry",),
            "done": ("entry", "result"),
            "stop": (),
            "all": ("count", "entry..."),
        },
    ) == (ends)


def test_keys_may_repeat_as_arguments_do() -> None:
    text = "-- count: count.\n--\n-- KEYS[1..] streams stream\n-- Returns {'n'}\n-- Cost O(streams)\n".replace("'", '"')

    assert (Slot("streams", "stream", 1, None, "lua/count.lua:3", fields=(Field("streams", "stream"),)),) == parse(
        text, "count"
    ).keys


def test_a_script_may_take_nothing_and_need_no_flags() -> None:
    header = parse('-- ping: answer.\n--\n-- Returns {"pong"}\n-- Cost    O(1)\n', "ping")

    assert Header("ping", "answer.", (), (), (Answer("pong", ()),), "O(1)", ()) == header


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("-- move: move", "-- Moves", 1, "the first line is no title"),
        ("-- move: move", "-- shift: move", 1, "the title says shift, the file is move"),
        ("moved.\n--\n", "moved.\n", 3, "nothing separates the contract"),
        ("KEYS[1] session    string", "KEYS[1] session", 4, "session has the unknown type this"),
        ("KEYS[1] session", "KEYS[1] Session", 4, "this is no slot"),
        ("KEYS[1]", "KEYS[0]", 4, "slot 1 is expected here"),
        ("KEYS[2..4]", "KEYS[3..4]", 5, "slot 2 is expected here"),
        ("KEYS[2..4]", "KEYS[2..1]", 5, "slot 2 is expected here"),
        ("sources stream", "sources array", 5, "sources has the unknown type array"),
        ("ARGV[2] limit", "ARGV[1] limit", 7, "slot 2 is expected here"),
        ("limit      int", "limit      number", 7, "limit has the unknown type number"),
        ("limit      int", "seq        int", 7, "seq is the name of two slots"),
        ("ARGV[2] limit", "ARGV[2..] limit", 7, "this is no repeating group"),
        ("where str, job bytes", "where str; job bytes", 9, "this is no repeating group"),
        ("where str, job bytes", "where str, job blob", 9, "job has the unknown type blob"),
        (
            "ARGV[3..] jobs     where str, job bytes",
            "ARGV[3..] jobs     mixed where job",
            9,
            "no item of a mix: where job",
        ),
        ("where str, job bytes", 'mixed "a" x | "a" y', 9, 'two items begin with "a"'),
        ('"moved", count', "moved, count", 10, "this is no reply: {moved, count, ids...}"),
        ('{"stale"}', '{"stale"', 10, 'this is no reply: {"stale"'),
        ("-- Cost    O(limit)\n", "", 1, "the contract does not say Cost"),
        ("-- Returns", "-- Answers", 10, "this is no line of a contract"),
        ("O(limit)", "linear", 12, "the cost is not given"),
        ("-- Cost    O(limit)\n", "-- Cost    O(limit)\n-- Cost    O(1)\n", 13, "there are two lines of Cost"),
        ("allow-oom,", "allow-all,", 13, "there is no flag 'allow-all' here"),
        ("allow-stale", "allow-oom", 13, "a flag stands twice"),
        ("-- Flags   allow-oom, allow-stale\n", "-- KEYS[5] dead stream\n", 13, "KEYS stands too late"),
    ],
)
def test_what_is_no_contract_is_refused_with_its_place(old: str, new: str, line: int, said: str) -> None:
    assert old in CONTRACT

    with pytest.raises(ScriptSourceError) as refused:
        parse(CONTRACT.replace(old, new, 1), "move")

    assert f"lua/move.lua:{line}" == refused.value.place
    assert str(refused.value).startswith(f"lua/move.lua:{line}: ")
    assert said in str(refused.value)
    assert refused.value.hint


def test_nothing_may_follow_an_open_range() -> None:
    text = MIX.replace('"stop"\n', '"stop"\n-- ARGV[3] late int\n')

    with pytest.raises(ScriptSourceError, match=r"lua/end_all.lua:6: nothing can follow the open range of ends"):
        parse(text, "end_all")


def test_an_empty_file_is_no_contract() -> None:
    with pytest.raises(ScriptSourceError, match=r"lua/move.lua:1: the first line is no title"):
        parse("", "move")


KEYS = ("session", "high", "normal", b"low")


@pytest.mark.parametrize("args", [(1, 500), ("1", b"500"), (1, 500, "h", b"job"), (1, 500, "h", b"a", b"l", b"b")])
def test_a_call_that_fits_passes(args: tuple[object, ...]) -> None:
    parse(CONTRACT, "move").check(KEYS, args)


@pytest.mark.parametrize(
    ("keys", "args", "said"),
    [
        (KEYS[:3], (1, 500), "KEYS are 4 here, not 3"),
        ((*KEYS, "dead"), (1, 500), "KEYS are 4 here, not 5"),
        ((*KEYS[:3], 4), (1, 500), "KEYS[4], sources, is no stream: 4"),
        (KEYS, (1,), "ARGV are 2 here, not 1"),
        (KEYS, (1, 500, "h"), "ARGV are 4 here, not 3"),
        (KEYS, (1, 500, "h", b"job", "l"), "ARGV are 6 here, not 5"),
        (KEYS, (1, 2.5), "ARGV[2], limit, is no int: 2.5"),
        (KEYS, (True, 500), "ARGV[1], seq, is no int: True"),
        (KEYS, (1, 500, 7, b"job"), "ARGV[3], where, is no str: 7"),
        (KEYS, (1, 500, "h", "job"), "ARGV[4], job, is no bytes: 'job'"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(keys: tuple[object, ...], args: tuple[object, ...], said: str) -> None:
    with pytest.raises(ScriptSourceError) as refused:
        parse(CONTRACT, "move").check(keys, args)

    assert f"lua/move.lua:1: {said}" == str(refused.value)


def test_the_items_of_a_mix_are_counted_by_their_words() -> None:
    header = parse(MIX, "end_all")
    header.check((), (0,))
    header.check((), (0, "ack", b"1-0", b"done", b"1-1", b"result", "stop"))
    header.check((), (0, "all", 2, b"1-0", b"1-1", "all", "0", "stop"))

    with pytest.raises(ScriptSourceError, match=r"ARGV are 4 here, not 3"):
        header.check((), (0, "done", b"1-1"))
    with pytest.raises(ScriptSourceError, match=r"lua/end_all.lua:4: 'nack' begins no item of ends"):
        header.check((), (0, "ack", b"1-0", "nack", b"1-1"))
    with pytest.raises(ScriptSourceError, match=r"ARGV are 5 here, not 4"):
        header.check((), (0, "all", 2, b"1-0"))
    for untold in ((0, "all"), (0, "all", "many", b"1-0")):
        with pytest.raises(ScriptSourceError, match=r"lua/end_all.lua:4: all is told no number of entry\.\.\."):
            header.check((), untold)


def test_floats_and_flags_have_their_forms() -> None:
    header = parse(
        '-- set: set.\n--\n-- ARGV[1] share float\n-- ARGV[2] on flag\n-- Returns {"set"}\n-- Cost O(1)\n', "set"
    )
    header.check((), (0.5, 1))
    header.check((), (1, False))

    with pytest.raises(ScriptSourceError, match=r"ARGV\[1\], share, is no float"):
        header.check((), ("0.5", 1))
    with pytest.raises(ScriptSourceError, match=r"ARGV\[2\], on, is no flag: 2"):
        header.check((), (0.5, 2))
