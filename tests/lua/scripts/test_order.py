"""order: what people want of a pool stands until they take it back: "ordered"."""

from __future__ import annotations

from heijunka import commands
from heijunka.commands import Order
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor
from tests.fixtures.server import Driver
from tests.lua.scripts.fleets import NOW


def test_an_order_stands_until_it_is_taken_back(
    client: Executor, shared: NamespaceKeys, redis: Driver, heard: list[str]
) -> None:
    assert client.execute(commands.order(shared, "payment", Order(12))) is None
    assert {"payment": Order(12)} == client.execute(commands.fleet(shared, now=NOW)).orders
    assert Order(12) == client.execute(commands.order(shared, "payment", None))
    assert {} == client.execute(commands.fleet(shared, now=NOW)).orders
    assert [b"1"] == redis.lrange(shared.attention, 0, -1)
    assert ["ordered", "fleet"] * 2 == heard
