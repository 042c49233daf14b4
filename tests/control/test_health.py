"""A server is judged by what it does, and what it costs is said in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heijunka.broker.client import Client
from heijunka.commands import Depths
from heijunka.control import health
from heijunka.control.health import Finding, Observed
from heijunka.errors import RedisAuthError, RedisDenied, RedisEvicts, RedisReadOnly
from heijunka.keys import DomainKeys
from tests.fixtures.server import Server

Fresh = Callable[..., Server]

CHECKS = ["server", "role", "eviction", "memory", "persistence", "latency", "clock", "scripts"]


def examined(server: Server, keys: DomainKeys) -> dict[str, Finding]:
    with Client(server.url) as client:
        return {finding.check: finding for finding in health.examine(client, keys)}


# -- against servers --------------------------------------------------------------------------------


def test_a_server_with_good_settings_has_no_fault(fresh_server: Fresh, keys: DomainKeys) -> None:
    found = examined(fresh_server(appendonly="yes", maxmemory="100mb"), keys)

    assert dict.fromkeys(CHECKS, "ok") == {check: finding.status for check, finding in found.items()}
    assert "runs scripts with flags" in found["server"].says
    assert found["memory"].says.endswith(" of 100.0 MiB used")


def test_looking_leaves_nothing_behind(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()

    examined(server, keys)

    assert 0 == server.driver().dbsize()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"appendonly": "no"}, ("persistence", "warn",
         "append-only file is off: a crash of Redis loses the jobs since its last snapshot")),
        ({"maxmemory-policy": "allkeys-lru"}, ("eviction", "fail",
         "maxmemory-policy is allkeys-lru: jobs may be deleted when memory is full")),
        ({"replicaof": "127.0.0.1 1"}, ("role", "fail", "a read-only replica")),
    ],
)  # fmt: skip
def test_what_costs_jobs_is_found(
    fresh_server: Fresh, keys: DomainKeys, options: dict[str, str], expected: tuple[str, str, str]
) -> None:
    finding = examined(fresh_server(**options), keys)[expected[0]]

    assert (*expected, True) == (finding.check, finding.status, finding.says, finding.hint is not None)


def test_a_full_server_is_found(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    server.driver().config_set("maxmemory", "1")

    finding = examined(server, keys)["memory"]

    assert ("fail", True) == (finding.status, finding.says.endswith("nothing can be enqueued"))


def test_a_cluster_is_found(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server(**{"cluster-enabled": "yes", "port": "0"})

    assert "fail" == examined(server, keys)["server"].status


def test_a_user_that_may_not_ask_is_told_so_and_the_rest_is_looked_at(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    server.driver().acl_setuser("looker", enabled=True, nopass=True, categories=["+@all"], commands=["-info"], keys="*")
    with Client(server.url.replace("unix://", "unix://looker:x@")) as client:
        found = list(health.examine(client, keys))
        health.require_fit(client, keys)

    assert Finding(
        "server", "warn", "this user may not call INFO: much cannot be checked", "grant it +info"
    ) == found[0]  # fmt: skip
    assert ["server", "latency", "clock", "scripts"] == [each.check for each in found]


def test_a_user_that_may_not_run_scripts_is_told_so(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    server.driver().acl_setuser(
        "looker", enabled=True, nopass=True, categories=["+@all"], commands=["-evalsha"], keys="*"
    )
    with Client(server.url.replace("unix://", "unix://looker:x@")) as client:
        found = list(health.examine(client, keys))

        assert ("server", "fail") == (found[0].check, found[0].status)
        with pytest.raises(RedisDenied):
            health.require_fit(client, keys)


# -- what workers ask for ---------------------------------------------------------------------------


def test_workers_may_trust_a_server_that_keeps_everything(fresh_server: Fresh, keys: DomainKeys) -> None:
    with Client(fresh_server().url) as client:
        health.require_fit(client, keys)


def test_workers_refuse_a_server_that_evicts_unless_that_is_allowed(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server(**{"maxmemory-policy": "volatile-ttl"})
    with Client(server.url) as client:
        with pytest.raises(RedisEvicts, match="its maxmemory-policy is volatile-ttl") as refused:
            health.require_fit(client, keys)
        health.require_fit(client, keys, allow_eviction=True)

    assert "--allow-eviction" in (refused.value.hint or "")


def test_workers_refuse_a_replica(fresh_server: Fresh, keys: DomainKeys) -> None:
    with Client(fresh_server(replicaof="127.0.0.1 1").url) as client, pytest.raises(RedisReadOnly):
        health.require_fit(client, keys)


def test_a_server_that_refuses_the_password_is_not_examined(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    server.driver().config_set("requirepass", "r1ght")

    with pytest.raises(RedisAuthError):
        examined(server, keys)


# -- judges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "named"),
    [
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}, "Valkey 9.1.2"),
        ({"redis_version": "8.0.2"}, "Redis 8.0.2"),
        ({"redis_version": "7.2.0", "dragonfly_version": "df-v1.21"}, "Dragonfly df-v1.21"),
        ({}, "a server that does not say its version"),
    ],
)
def test_a_server_is_named_by_its_own_version(info: dict[str, str], named: str) -> None:
    assert named == health.named(info)


@pytest.mark.parametrize(
    ("judge", "seen", "status", "says"),
    [
        (health.memory, {"used_memory": "83886080", "maxmemory": "104857600"}, "warn",
         "80.0 MiB of 100.0 MiB used: nearly full"),
        (health.memory, {"used_memory": "1048576", "maxmemory": "0"}, "ok", "1.0 MiB used, no limit set"),
        (health.persistence, {"loading": "1"}, "fail", "it is loading its data"),
        (health.persistence, {"aof_enabled": "1", "aof_last_write_status": "err"}, "fail",
         "its last append-only file could not be written"),
        (health.persistence, {"aof_enabled": "1", "rdb_last_bgsave_status": "err"}, "fail",
         "its last snapshot could not be written"),
        (health.eviction, {}, "warn", "it does not say its maxmemory-policy"),
        (health.role, {"role": "master", "connected_slaves": "1"}, "ok", "primary, 1 replica"),
        (health.round_trip, 4.99, "ok", "a round trip takes 4.99 ms"),
        (health.round_trip, 5.0, "warn", "a round trip takes 5.0 ms"),
        (health.clock, -999.0, "ok", "Redis's clock and this host's are within 999 ms"),
        (health.clock, 90_000.0, "warn", "Redis's clock is 90.0 s ahead of this host's"),
        (health.clock, -1_000.0, "warn", "Redis's clock is 1.0 s behind this host's"),
    ],
)  # fmt: skip
def test_what_is_seen_is_judged(judge: Callable[[Any], Finding], seen: Any, status: str, says: str) -> None:
    finding = judge(seen)

    assert (status, says) == (finding.status, finding.says)
    assert (finding.hint is None) == (status == "ok")


def test_a_domain_is_judged_by_who_serves_it(keys: DomainKeys) -> None:
    idle = Depths(
        ready={"high": 1, "normal": 2, "low": 0}, running=4, suspects=1, scheduled=9, dead=1, workers=0, load=8,
        counters={},
    )  # fmt: skip

    assert Finding(
        "domain",
        "warn",
        "payment: 0 workers, 4 jobs waiting, 4 running, 1 dead letter",
        "start one: heijunka worker -d payment",
    ) == health.domain(keys, idle)
    assert "start one: heijunka worker shop:app -d payment" == health.domain(keys, idle, app="shop:app").hint
    assert "start one: heijunka worker 'my shop.py' -d payment" == health.domain(keys, idle, app="my shop.py").hint


def test_a_cluster_of_one_node_is_judged_by_what_it_says() -> None:
    seen = Observed({"redis_version": "8.0.2", "cluster_enabled": "1"}, 0.1, 0.0)

    assert ("fail", "Redis 8.0.2 in cluster mode: calls for other nodes' keys are refused") == (
        health.server(seen).status,
        health.server(seen).says,
    )
