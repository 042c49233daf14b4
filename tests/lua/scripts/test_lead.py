"""lead and resign: one leader at a time, each under a term of its own."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Led
from heijunka.errors import WrongKeyType
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.server import Driver

NOW = 1_700_000_000_000
TTL = Milliseconds(10_000)


def lead(client: Executor, keys: NamespaceKeys, me: str, at: int) -> Led:
    return client.execute(commands.lead(keys, me, ttl=TTL, now=Milliseconds(NOW + at)))


def test_the_first_leads_and_the_others_follow(client: Executor, shared: NamespaceKeys, heard: list[str]) -> None:
    assert Led(leading=True, term=1, expires_ms=NOW + TTL) == lead(client, shared, "a", 0)
    assert Led(leading=False, term=1, expires_ms=NOW + TTL, leader="a") == lead(client, shared, "b", 1)
    assert ["leader", "follower"] == heard


def test_who_goes_on_keeps_its_term(client: Executor, shared: NamespaceKeys) -> None:
    lead(client, shared, "a", 0)

    assert Led(leading=True, term=1, expires_ms=NOW + 9_999 + TTL) == lead(client, shared, "a", 9_999)
    assert not lead(client, shared, "b", 10_001).leading


def test_when_a_lease_is_over_whoever_asks_first_begins_the_next_term(client: Executor, shared: NamespaceKeys) -> None:
    lead(client, shared, "a", 0)

    assert Led(leading=True, term=2, expires_ms=NOW + 2 * TTL) == lead(client, shared, "b", TTL)
    assert not lead(client, shared, "a", TTL).leading


def test_who_comes_back_too_late_begins_a_new_term(client: Executor, shared: NamespaceKeys) -> None:
    lead(client, shared, "a", 0)

    assert 2 == lead(client, shared, "a", TTL).term


def test_who_resigns_is_followed_at_once(
    client: Executor, shared: NamespaceKeys, redis: Driver, heard: list[str]
) -> None:
    lead(client, shared, "a", 0)

    assert client.execute(commands.resign(shared, "a", 1))
    assert 1 == redis.llen(shared.election)
    assert Led(leading=True, term=2, expires_ms=NOW + 1 + TTL) == lead(client, shared, "b", 1)
    assert ["leader", "resigned", "leader"] == heard


@pytest.mark.parametrize(("who", "term"), [("b", 1), ("a", 2)])
def test_who_does_not_lead_cannot_resign(
    client: Executor, shared: NamespaceKeys, redis: Driver, who: str, term: int
) -> None:
    lead(client, shared, "a", 0)

    assert not client.execute(commands.resign(shared, who, term)), "deposed"
    assert 0 == redis.llen(shared.election)
    assert lead(client, shared, "a", 1).leading


def test_the_servers_clock_decides_when_no_time_is_given(
    client: Executor, shared: NamespaceKeys, redis: Driver
) -> None:
    before = redis.time()[0] * 1_000

    led = client.execute(commands.lead(shared, "a", ttl=TTL))

    assert before + TTL <= led.expires_ms <= redis.time()[0] * 1_000 + 999 + TTL


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, shared: NamespaceKeys, redis: Driver) -> None:
    redis.set(shared.leader, "somebody else's")

    with pytest.raises(WrongKeyType):
        lead(client, shared, "a", 0)
