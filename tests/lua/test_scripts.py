"""Scripts are found, read when they are needed, known to servers by their sha, and their errors point into lua/."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
import redis

import heijunka
from heijunka.broker import scripts
from heijunka.broker.scripts import Script
from heijunka.errors import ScriptSourceError

HEAD = """\
-- probe: fail somewhere.
--
-- KEYS[1] key     string
-- Returns {"never"}
-- Cost    O(1)

-- @include deep

local key = KEYS[1]
"""
DEEP = """\
-- deep(key): fail further down.
-- mark(key): leave text.

local function mark(key)
  redis.call('SET', key, 'text')
end

-- deep
local function deep(key)
  mark(key)
  local sum = redis.call('INCR', key)
  return sum
end
"""


@pytest.fixture
def lua(tmp_path: Path) -> Path:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "deep.lua").write_text(DEEP)
    return tmp_path


@pytest.fixture
def found_anew() -> Iterator[None]:
    scripts.folder.cache_clear()
    yield
    scripts.folder.cache_clear()


def probe(lua: Path, code: str) -> Script:
    (lua / "probe.lua").write_text(HEAD + code)
    return scripts.read("probe", lua)


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "explained"),
    [
        ("\nreturn key .. nil\n", "lua/probe.lua:11: attempt to concatenate a nil value"),
        (
            "-- why\n\nreturn lost\n",
            "lua/probe.lua:12: Script attempted to access nonexistent global variable 'lost'",
        ),
        ("error('no place is called x')\n", "lua/probe.lua:10: no place is called x"),
        ("\n\nerror({ err = 'SEALED it is' })\n", "lua/probe.lua:12: SEALED it is"),
        ("local sum = deep(key)\n", "lua/include/deep.lua:11: value is not an integer or out of range"),
        (
            "mark(key)\n\nredis.call('LPUSH', key, 1)\n",
            "lua/probe.lua:12: WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("return deep(\n", "lua/probe.lua:10: unexpected symbol near '<eof>'"),
        ("-- begin\nif key then\n  mark(key)\n", "lua/probe.lua:12: 'end' expected"),
        ("return redis.error_reply('ERR no such outcome: x')\n", "no such outcome: x"),
    ],
)
def test_an_error_is_told_in_places_of_the_files(
    each_server: redis.Redis, lua: Path, code: str, explained: str
) -> None:
    script = probe(lua, code)
    each_server.delete("probe")

    with pytest.raises(redis.ResponseError) as raised:
        each_server.eval(script.source, 1, "probe")

    assert explained == script.explain(str(raised.value)).split(" (to close")[0]


def test_where_a_block_began_is_told_too(each_server: redis.Redis, lua: Path) -> None:
    script = probe(lua, "\nif key then\n  mark(key)\n\n  mark(key)\n")
    with pytest.raises(redis.ResponseError) as raised:
        each_server.script_load(script.source)

    assert "lua/probe.lua:14: 'end' expected (to close 'if' at lua/probe.lua:11) near '<eof>'" == script.explain(
        str(raised.value)
    )


def test_a_refused_write_is_told_with_its_line(each_server: redis.Redis, lua: Path) -> None:
    (lua / "probe.lua").write_text(HEAD.replace("O(1)\n", "O(1)\n-- Flags   no-writes\n") + "\nmark(key)\n")
    script = scripts.read("probe", lua)

    with pytest.raises(redis.ResponseError) as raised:
        each_server.eval(script.source, 1, "probe")

    error = str(raised.value)
    assert "lua/include/deep.lua:5: Write commands are not allowed from read-only scripts." == script.explain(error)
    assert "lua/include/deep.lua:5" == script.failed_at(error)


@pytest.mark.parametrize(
    "error",
    [
        # Redis 7.0 to 8, Valkey 7.2 and 8 name the script; Valkey 9 does not.
        "ERR value is not an integer script: 6ca1113f60cee047b0d2cb3400e04a549433a101, on @user_script:2.",
        "ERR value is not an integer script: on @user_script:2.",
    ],
)
def test_both_ways_of_naming_a_line_are_understood(lua: Path, error: str) -> None:
    assert "lua/include/deep.lua:4: ERR value is not an integer" == probe(lua, "").explain(error)


@pytest.mark.parametrize("error", ["NOSCRIPT No matching script. Please use EVAL.", "OOM command not allowed", ""])
def test_an_error_about_no_line_stays_as_it_is(lua: Path, error: str) -> None:
    script = probe(lua, "return 1\n")

    assert error == script.explain(error)
    assert script.failed_at(error) is None


def test_a_line_past_either_end_is_the_nearest(lua: Path) -> None:
    script = probe(lua, "return key\n")

    assert "lua/probe.lua:10" == script.place(script.source.count("\n") + 1)
    assert "lua/probe.lua:1" == script.place(0)


# -- what servers get ----------------------------------------------------------------------------


def test_the_sha_is_what_a_server_answers(each_server: redis.Redis) -> None:
    expected = {name: scripts.load(name).sha for name in scripts.names()}

    answered = {name: each_server.script_load(scripts.load(name).source) for name in scripts.names()}

    assert expected
    assert expected == answered


def test_flags_reach_the_server(each_server: redis.Redis, lua: Path) -> None:
    script = probe(lua, "redis.call('SET', key, 'text')\nreturn { 'never' }\n")
    each_server.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.OutOfMemoryError):
            each_server.eval(script.source, 1, "probe")
        (lua / "probe.lua").write_text(script.text.replace("O(1)\n", "O(1)\n-- Flags   allow-oom\n"))
        answer = each_server.eval(scripts.read("probe", lua).source, 1, "probe")
    finally:
        each_server.config_set("maxmemory", 0)

    assert [b"never"] == answer


def test_the_bare_source_runs_where_shebangs_are_unknown(lua: Path) -> None:
    script = probe(lua, "mark(key)\nreturn { redis.call('GET', key) }\n")
    server = fakeredis.FakeRedis()

    assert [b"text"] == server.eval(script.bare_source, 1, "probe")
    assert script.source.splitlines()[1:] == script.bare_source.splitlines()[1:]


# -- loading -------------------------------------------------------------------------------------


def test_a_script_is_read_once() -> None:
    assert scripts.load("settle") is scripts.load("settle")


def test_calling_scripts_reads_no_contracts() -> None:
    code = "import sys; from heijunka.broker import scripts; scripts.load('settle'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "heijunka.broker.assembly" in loaded
    assert "heijunka.broker.header" not in loaded


def test_the_contract_says_what_a_script_takes_answers_and_costs(lua: Path) -> None:
    script = probe(lua, "return { 'never' }\n")

    assert ["key"] == [slot.name for slot in script.keys]
    assert () == script.args
    assert ("never",) == script.words
    assert "O(1)" == script.cost
    assert "fail somewhere." == script.contract.summary
    script.check(["probe"], [])
    with pytest.raises(ScriptSourceError, match="KEYS are 1 here, not 2"):
        script.check(["probe", "other"], [])


def test_a_script_that_is_not_there_is_refused(lua: Path) -> None:
    with pytest.raises(ScriptSourceError) as refused:
        scripts.read("setle", lua)

    assert "there is no lua/setle.lua" == str(refused.value)
    assert f"scripts are read from {lua}" == refused.value.hint


@pytest.mark.parametrize("installed", [True, False])
def test_scripts_of_the_installed_package_come_before_those_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_anew: None, installed: bool
) -> None:
    beside, inside = tmp_path / "lua", tmp_path / "heijunka" / "lua"
    for folder in (beside, inside) if installed else (beside,):
        folder.mkdir(parents=True)
        (folder / f"from_{folder.parent.name}.lua").touch()
    monkeypatch.setattr(heijunka, "__file__", str(tmp_path / "heijunka" / "__init__.py"))

    assert (inside if installed else beside) == scripts.folder()
    assert (f"from_{'heijunka' if installed else tmp_path.name}",) == scripts.names()


def test_a_package_without_its_scripts_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_anew: None
) -> None:
    monkeypatch.setattr(heijunka, "__file__", str(tmp_path / "heijunka" / "__init__.py"))

    with pytest.raises(ScriptSourceError, match="the scripts are missing"):
        scripts.folder()
