"""limit: what bounds a domain changes as a whole, and only for who knows what it was."""

from __future__ import annotations

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands.limit import limit
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor
from tests.fixtures.samples import sample
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Snapshot, snapshot

NOW = Milliseconds(1_700_000_000_000)


def test_fields_are_set_and_taken_out_in_one_step(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    assert client.execute(limit(keys, 0, {"rule": "12,9,10", "draining": "1"}))
    assert client.execute(limit(keys, 1, {"draining": "", "soft": "10"}))

    assert Snapshot(limits={"rule": "12,9,10", "soft": "10", "version": "2"}) == snapshot(redis, keys)
    assert "changed" == heard[-1]


def test_who_saw_something_older_changes_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    client.execute(limit(keys, 0, {"soft": "10"}))
    before = snapshot(redis, keys)

    assert not client.execute(limit(keys, 0, {"soft": "20"}))
    assert before == snapshot(redis, keys)
    assert "moved" == heard[-1]


def test_a_change_wakes_who_waits_for_room(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    client.execute(limit(keys, 0, {"rule": "1,1,1"}))
    client.execute(commands.enqueue(keys, ["n", sample()], now=NOW))
    client.execute(commands.enqueue(keys, ["n", sample()], waits_ms=1_000, now=NOW))

    client.execute(limit(keys, 1, {"rule": "2,2,2"}))

    assert 1 == snapshot(redis, keys).room
