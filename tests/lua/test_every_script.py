"""Every script in lua/ keeps its contract: with its body, with the servers, with Python, and with its tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from heijunka import commands
from heijunka.broker import scripts
from heijunka.broker.command import Command
from heijunka.broker.header import Slot
from heijunka.clock import Milliseconds
from heijunka.commands.ends import ends
from heijunka.commands.letters import Revival, amend, letters, purge, revive, trim
from heijunka.commands.limit import limit
from heijunka.commands.pause import empty, pause
from heijunka.keys import DomainKeys, NamespaceKeys
from tests.lua import rules

INCLUDES = sorted(path.stem for path in (scripts.folder() / "include").glob("*.lua"))
TESTS = Path(__file__).parent / "scripts"

KEYS = DomainKeys("shop", "payment")
SHARED = NamespaceKeys("shop")
ENTRY = commands.Entry(source=2, id=b"1-0", job=b"blob", priority="h")
JOB_ID = bytes(16)
TTL = Milliseconds(15_000)
OUTCOMES = [
    commands.ack(ENTRY),
    commands.done(ENTRY, "id", keep_ms=1, result=b"result"),
    commands.retry(ENTRY, where="h+500", job=b"next"),
    commands.snooze(ENTRY, where="h+500", job=b"next"),
    commands.dead(ENTRY, "id", keep_ms=1, failure=b"failure", reason="retries", job=b"blob"),
    commands.release(ENTRY),
    commands.cancelled(ENTRY, bytes(16), keep_ms=1, record=b"record"),
]
CALLS: list[Command[Any]] = [
    commands.cancel(KEYS, JOB_ID, commands.Spot("stream", b"1-0", KEYS.ready[0]), keep_ms=1, record=b"record"),
    commands.depths(KEYS),
    commands.enqueue(KEYS, ["h", b"blob", "l+500", b"blob"]),
    commands.give_back(KEYS, "n1", over_ms=1),
    commands.grant(KEYS, "n1", ttl_ms=30_000),
    commands.held(KEYS, "w1", count=10),
    commands.join(KEYS, "w1", ttl=TTL),
    commands.lapsed(KEYS),
    commands.leave(KEYS, "w1"),
    commands.marks(KEYS),
    commands.promote(KEYS),
    commands.pull(KEYS, "w1", 10, alone=True),
    commands.recover(
        KEYS, "w1", death="seen", failure=b"failure", max_deliveries=3, keep_ms=1, started=[(2, "1-0"), (3, "1-0")]
    ),
    commands.renew(KEYS, ["w1", "w2"], ttl=TTL),
    commands.seek(KEYS.dead, JOB_ID),
    commands.seek_scheduled(KEYS, JOB_ID),
    commands.settle(KEYS, OUTCOMES),
    commands.weigh(KEYS),
    ends(KEYS, JOB_ID),
    limit(KEYS, 0, {"soft": "1000", "draining": ""}),
    pause(KEYS, "pause", "nl"),
    empty(KEYS, 1, letters="nl", keep_ms=1, record=b"record"),
    amend(KEYS, "1-0", job=b"blob", notes=b"notes"),
    letters(KEYS),
    purge(KEYS, ["1-0", "2-0"]),
    revive(KEYS, [Revival("1-0", "h", b"blob"), Revival("2-0", "n@500", b"blob")]),
    trim(KEYS, age_ms=1, keep=1),
    commands.lead(SHARED, "host", ttl=TTL),
    commands.resign(SHARED, "host", 1),
    commands.report(SHARED, "host", commands.Report("host", 1, 50), ttl=TTL),
    commands.withdraw(SHARED, "host"),
    commands.order(SHARED, "payment", commands.Order(3)),
    commands.target(SHARED, "host", 1, "payment", commands.Target(2), calls=["host", "other"]),
    commands.fleet(SHARED),
    commands.oldest(KEYS),
    commands.call(SHARED, ["host", "other"]),
]
SESSION = KEYS.sessions + "caller"


def include(name: str) -> str:
    return (scripts.folder() / "include" / f"{name}.lua").read_text(encoding="utf-8")


def whole(command: Command[Any]) -> tuple[list[str], list[Any]]:
    """KEYS and ARGV as they are sent: a numbered call begins with its session and number."""
    if command.sessions is None:
        return list(command.keys), list(command.args)
    return [SESSION, *command.keys], [1, *command.args]


def key_called(name: str) -> object:
    """The key that a contract means by a name, None when the name means any."""
    known = {f"{priority}": ready for priority, ready in zip(("high", "normal", "low"), KEYS.ready, strict=True)}
    return {**vars(SHARED), **vars(KEYS), **known, "session": SESSION}.get(name)


# -- with its body -------------------------------------------------------------------------------


def test_there_are_scripts() -> None:
    assert scripts.names()
    assert INCLUDES


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_keeps_its_contract_and_the_rules(name: str) -> None:
    script = scripts.load(name)

    assert [] == rules.broken_by_script(script.text, name, {used: include(used) for used in script.includes})


@pytest.mark.parametrize("name", INCLUDES)
def test_an_include_keeps_the_rules(name: str) -> None:
    assert [] == rules.broken_by_include(include(name), name)


def test_every_include_is_used() -> None:
    assert INCLUDES == sorted({used for name in scripts.names() for used in scripts.load(name).includes})


# -- with the servers ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_that_cannot_write_says_so(each_server: redis.Redis, name: str) -> None:
    """Then who may only read can call it, and replicas can answer it. What it says falsely, the server refuses."""
    script = scripts.load(name)

    writes = sorted(called for called in commands_in(script.source) if may_write(each_server, called))

    assert writes or "no-writes" in script.flags
    mine = commands_in(script.text) & set(writes)
    assert "no-writes" not in script.flags or not mine


def commands_in(source: str) -> set[str]:
    """What may be a command: words in capitals, with the next for commands that have subcommands."""
    words = re.findall(r"'([A-Z]+)'(?:, '([A-Z]+)')?", source)
    return {first for first, _ in words} | {f"{first}|{second}" for first, second in words if second}


def may_write(server: redis.Redis, called: str) -> bool:
    info = server.execute_command("COMMAND INFO", called)  # type: ignore[no-untyped-call] # the driver's
    return any({"write", "may_replicate"} & set(map(plain, flags)) for flags in flags_in(info))


def flags_in(info: Any) -> Iterator[Any]:
    for one in info.values() if isinstance(info, dict) else info:
        if one is not None:
            yield one["flags"] if isinstance(one, dict) else one[2]


def plain(flag: object) -> str:
    return (flag.decode() if isinstance(flag, bytes) else str(flag)).lower()


# -- with Python ---------------------------------------------------------------------------------


def test_every_script_has_a_command() -> None:
    assert list(scripts.names()) == sorted(command.script for command in CALLS)


@pytest.mark.parametrize("command", CALLS, ids=lambda command: command.script)
def test_a_command_sends_what_the_contract_says(command: Command[Any]) -> None:
    scripts.load(command.script).check(*whole(command))


@pytest.mark.parametrize("command", CALLS, ids=lambda command: command.script)
def test_keys_are_sent_in_the_order_of_the_contract(command: Command[Any]) -> None:
    keys, _ = whole(command)

    for slot in scripts.load(command.script).keys:
        given, meant = keys[slot.first - 1 : slot.last], key_called(slot.name)
        if isinstance(meant, str):
            assert [meant] == given, slot.place
        elif isinstance(meant, tuple):
            assert list(meant[-len(given) :]) == given, slot.place


@pytest.mark.parametrize("command", CALLS, ids=lambda command: command.script)
def test_a_call_is_numbered_exactly_if_the_script_remembers_numbers(command: Command[Any]) -> None:
    script = scripts.load(command.script)
    numbered = [slot.name for slot in (*script.keys[:1], *script.args[:1])] == ["session", "seq"]

    assert numbered == (command.sessions is not None)
    assert numbered == ("session" in script.includes)


def test_the_clock_is_the_servers_unless_a_call_says_otherwise() -> None:
    for command in CALLS:
        _, args = whole(command)
        assert all(args[slot.first - 1] == 0 for slot in clocks(command)), command.script


def clocks(command: Command[Any]) -> list[Slot]:
    return [slot for slot in scripts.load(command.script).args if slot.name == "now"]


# -- with its tests ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", scripts.names())
def test_every_reply_of_a_script_has_a_test_that_names_it(name: str) -> None:
    """In quotes, in tests/lua/scripts/test_<name>.py: where it is asserted, or in the test's docstring."""
    assert [] == rules.untested_words(scripts.load(name).contract, TESTS / f"test_{name}.py")
