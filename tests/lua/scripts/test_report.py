"""report: a supervisor says what it has, and is told what pools should have: "targets"."""

from __future__ import annotations

from heijunka import commands
from heijunka.commands import Fleet
from heijunka.keys import NamespaceKeys
from tests.fixtures.fake import Executor
from tests.fixtures.server import Driver
from tests.lua.scripts.fleets import NOW, SAYS, TTL, WANTED, at


def test_a_report_is_seen_until_it_is_too_old(client: Executor, shared: NamespaceKeys, heard: list[str]) -> None:
    assert {} == client.execute(commands.report(shared, "a", SAYS, ttl=TTL, now=NOW))

    seen = client.execute(commands.fleet(shared, now=at(4_999)))
    assert Fleet(at(4_999), {"a": SAYS}, {}, {}, "", 0) == seen
    assert (("payment",), {"a": SAYS.pools["payment"]}) == (seen.domains(), seen.pool("payment"))
    assert {} == client.execute(commands.fleet(shared, now=at(5_000))).reports
    assert ["targets", "fleet", "fleet"] == heard


def test_who_reports_is_told_every_target(client: Executor, shared: NamespaceKeys, leading: int) -> None:
    assert client.execute(commands.target(shared, "me", leading, "payment", WANTED))

    assert {"payment": WANTED} == client.execute(commands.report(shared, "a", SAYS, ttl=TTL, now=NOW))


def test_who_has_not_reported_for_long_is_forgotten(client: Executor, shared: NamespaceKeys, redis: Driver) -> None:
    client.execute(commands.report(shared, "lost", SAYS, ttl=TTL, now=NOW))

    client.execute(commands.report(shared, "a", SAYS, ttl=TTL, now=at(5_001)))

    assert {b"a"} == set(redis.hgetall(shared.reports))
    assert [b"a"] == redis.zrange(shared.supervisors, 0, -1)
