"""call: a bell for each supervisor that is "called", which does not outlive one that never comes."""

from __future__ import annotations

from heijunka import commands
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor
from tests.fixtures.server import Driver


def test_each_is_called_once_until_it_comes(
    client: Executor, redis: Driver, shared: NamespaceKeys, heard: list[str]
) -> None:
    for _ in range(2):
        client.execute(commands.call(shared, ["a", "b"]))

    assert [1, 1] == [redis.llen(shared.call(name)) for name in ("a", "b")]
    assert all(0 < redis.pttl(shared.call(name)) <= 60_000 for name in ("a", "b"))
    assert ["called", "called"] == heard


def test_nobody_to_call_is_no_trouble(client: Executor, shared: NamespaceKeys) -> None:
    client.execute(commands.call(shared, []))
