"""resign: see test_lead.py for what follows. "resigned" rings the election's bell once; "deposed" changes nothing."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.errors import WrongKeyType
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.server import Driver


def test_a_bell_that_nobody_heard_is_not_rung_again(client: Executor, shared: NamespaceKeys, redis: Driver) -> None:
    for term in (1, 2):
        led = client.execute(commands.lead(shared, "a", ttl=Milliseconds(10_000), now=Milliseconds(1_000)))
        assert term == led.term
        assert client.execute(commands.resign(shared, "a", term))

    assert [b"1"] == redis.lrange(shared.election, 0, -1)


def test_without_a_leader_nobody_resigns(client: Executor, shared: NamespaceKeys, redis: Driver) -> None:
    assert not client.execute(commands.resign(shared, "a", 1))
    assert not redis.exists(shared.leader, shared.election)


@needs_server
def test_a_bell_of_another_type_leaves_the_leader_in_its_place(
    client: Executor, shared: NamespaceKeys, redis: Driver
) -> None:
    client.execute(commands.lead(shared, "a", ttl=Milliseconds(10_000)))
    before = redis.hgetall(shared.leader)
    redis.set(shared.election, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.resign(shared, "a", 1))
    assert before == redis.hgetall(shared.leader)
