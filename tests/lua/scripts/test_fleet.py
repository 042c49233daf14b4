"""fleet: everything the leader looks at, in one step: the "fleet"."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.commands import Order
from heijunka.errors import WrongKeyType
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.server import Driver
from tests.lua.scripts.fleets import NOW, SAYS, TTL, WANTED, at


def test_the_fleet_names_who_leads(client: Executor, shared: NamespaceKeys, leading: int) -> None:
    seen = client.execute(commands.fleet(shared, now=NOW))
    assert ("me", leading) == (seen.leader, seen.term)
    later = client.execute(commands.fleet(shared, now=at(10_000)))
    assert ("", leading) == (later.leader, later.term)


@needs_server
def test_keys_of_another_type_are_typed_errors_and_nothing_is_half_done(
    client: Executor, shared: NamespaceKeys, redis: Driver, leading: int
) -> None:
    redis.set(shared.reports, "somebody else's")
    with pytest.raises(WrongKeyType):
        client.execute(commands.report(shared, "a", SAYS, ttl=TTL, now=NOW))
    assert not redis.exists(shared.supervisors)
    with pytest.raises(WrongKeyType):
        client.execute(commands.withdraw(shared, "a"))

    redis.set(shared.attention, "somebody else's")
    with pytest.raises(WrongKeyType):
        client.execute(commands.order(shared, "payment", Order(12)))
    assert not redis.exists(shared.orders)

    redis.set(shared.call("a"), "somebody else's")
    with pytest.raises(WrongKeyType):
        client.execute(commands.target(shared, "me", leading, "payment", WANTED, calls=["a"]))
    assert not redis.exists(shared.targets)
    redis.delete(shared.call("a"))
