"""purge: named letters go, are counted, and a repeated call is told what the first one did."""

from __future__ import annotations

import pytest

from heijunka.broker.command import Command
from heijunka.commands.enqueue import Overtaken
from heijunka.commands.letters import Purged, purge
from heijunka.errors import ScriptError, WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.letters import bury, entries
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Snapshot, snapshot
from tests.lua.scripts.numbered import copy_of


def test_the_named_letters_go_and_are_counted(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    first, second, third = (bury(redis, keys) for _ in range(3))

    purged = client.execute(purge(keys, [first, third]))

    assert Purged(2) == purged
    assert [second] == entries(redis, keys)
    assert {"purged": 2} == snapshot(redis, keys).stats
    assert "purged" == heard[-1]


def test_letters_that_are_gone_do_not_count(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    entry = bury(redis, keys)

    replies = [client.execute(purge(keys, [entry, "1-1"])) for _ in range(2)]

    assert [Purged(1), Purged(0)] == replies
    assert {"purged": 1} == snapshot(redis, keys).stats


def test_a_repeated_call_is_told_what_the_first_one_did(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    entry, _ = bury(redis, keys), bury(redis, keys)
    call = copy_of(purge(keys, [entry]), keys, number=7)

    replies = [client.execute(call), client.execute(call)]

    assert [Purged(1), Purged(1)] == replies
    assert {"purged": 1} == snapshot(redis, keys).stats


def test_an_overtaken_copy_does_nothing(client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]) -> None:
    first, second = bury(redis, keys), bury(redis, keys)
    client.execute(copy_of(purge(keys, [first]), keys, number=8))
    before = snapshot(redis, keys)
    late: Command[Purged | Overtaken] = copy_of(purge(keys, [second]), keys, number=7)

    assert Overtaken() == client.execute(late)
    assert before == snapshot(redis, keys)
    assert "stale" == heard[-1]


@needs_server
def test_an_entry_id_that_is_none_leaves_every_letter(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    entry = bury(redis, keys)
    before = snapshot(redis, keys)

    with pytest.raises(ScriptError):
        client.execute(purge(keys, [entry, "nonsense"]))

    assert before == snapshot(redis, keys)


@needs_server
@pytest.mark.parametrize("name", ["stats", "dead"])
def test_a_key_of_another_type_leaves_everything_as_it_was(
    client: Executor, redis: Driver, keys: DomainKeys, name: str
) -> None:
    entry = bury(redis, keys) if name != "dead" else "1-1"
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(purge(keys, [entry]))

    assert before == snapshot(redis, keys) != Snapshot()
