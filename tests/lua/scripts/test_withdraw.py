"""withdraw: who signs off is not counted on any more: "withdrawn"."""

from __future__ import annotations

from heijunka import commands
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor
from tests.fixtures.server import Driver
from tests.lua.scripts.fleets import NOW, SAYS, TTL


def test_who_withdraws_is_gone_and_the_leader_is_told(
    client: Executor, shared: NamespaceKeys, redis: Driver, heard: list[str]
) -> None:
    client.execute(commands.report(shared, "a", SAYS, ttl=TTL, now=NOW))

    for _ in range(2):
        client.execute(commands.withdraw(shared, "a"))

    assert {} == client.execute(commands.fleet(shared, now=NOW)).reports
    assert [b"1"] == redis.lrange(shared.attention, 0, -1)
    assert ["targets", "withdrawn", "withdrawn", "fleet"] == heard
