"""target: what the leader decides is "set"; what a "deposed" one decides is not."""

from __future__ import annotations

from heijunka import commands
from heijunka.commands import Explained
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor
from tests.fixtures.server import Driver
from tests.lua.scripts.fleets import NOW, TTL, WANTED, at


def test_a_decision_is_kept_with_its_reason_and_who_must_act_is_called(
    client: Executor, shared: NamespaceKeys, redis: Driver, leading: int, heard: list[str]
) -> None:
    decision = Explained(NOW, 2, 5, "because")

    assert client.execute(
        commands.target(shared, "me", leading, "payment", WANTED, decision=decision, calls=["a", "b"])
    )

    assert {"payment": WANTED} == client.execute(commands.fleet(shared, now=NOW)).targets
    assert 1 == redis.llen(shared.explained("payment"))
    assert [1, 1] == [redis.llen(shared.call(name)) for name in ("a", "b")]
    assert all(0 < redis.pttl(shared.call(name)) <= 60_000 for name in ("a", "b"))
    assert ["leader", "set", "fleet"] == heard


def test_only_the_last_decisions_are_kept(client: Executor, shared: NamespaceKeys, redis: Driver, leading: int) -> None:
    for number in range(103):
        decision = Explained(NOW, number, number + 1, "because")
        client.execute(commands.target(shared, "me", leading, "payment", WANTED, decision=decision))

    assert 100 == redis.llen(shared.explained("payment"))


def test_a_target_that_is_only_kept_fresh_explains_nothing(
    client: Executor, shared: NamespaceKeys, redis: Driver, leading: int
) -> None:
    assert client.execute(commands.target(shared, "me", leading, "payment", WANTED))
    assert 0 == redis.llen(shared.explained("payment"))


def test_what_a_deposed_leader_decides_is_refused(
    client: Executor, shared: NamespaceKeys, redis: Driver, leading: int, heard: list[str]
) -> None:
    client.execute(commands.lead(shared, "other", ttl=TTL, now=at(10_000)))

    for who, term in (("me", leading), ("me", 2), ("other", leading)):
        assert not client.execute(
            commands.target(shared, who, term, "payment", WANTED, decision=Explained(NOW, 2, 5, ""), calls=["a"])
        )
        assert "deposed" == heard[-1]

    assert not redis.exists(shared.targets, shared.explained("payment"), shared.call("a"))
    assert client.execute(commands.target(shared, "other", 2, "payment", WANTED))
