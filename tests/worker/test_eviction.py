"""A Redis that begins to evict while workers run: they pull no more until it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heijunka.broker.client import Client
from heijunka.worker import eviction
from heijunka.worker.eviction import Eviction
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until
from tests.worker.conftest import Host


@pytest.fixture
def far(own_server: Server, tmp_path: Path, namespace: str) -> Iterator[Host]:
    (tmp_path / "far").mkdir()
    host = Host(own_server.url, tmp_path / "far", namespace)
    yield host
    host.close()


def evict(host: Host, policy: str) -> None:
    host.client.plain("CONFIG", "SET", "maxmemory-policy", policy)


def test_workers_pull_no_more_while_jobs_may_be_evicted_and_go_on_when_that_is_mended(far: Host) -> None:
    far.start(eviction_every_s=0.05)
    far.hear("joined")

    evict(far, "allkeys-lru")
    far.hear("quiet")
    far.enqueue("ok")
    assert 1 == far.depths().load
    evict(far, "noeviction")

    far.hear("resumed")
    wait_until(lambda: far.depths().load == 0)
    assert "ERROR maxmemory-policy is allkeys-lru now: Redis may delete jobs when it is full" in far.log()
    assert "workers stop pulling: maxmemory-policy is allkeys-lru" in far.log()
    assert 1 == far.log().count("workers pull again")


def test_whoever_allows_it_is_not_stopped(far: Host) -> None:
    evict(far, "allkeys-lru")
    far.start(eviction_every_s=0.05, allow_eviction=True)
    far.hear("joined")
    far.enqueue(*["ok"] * 20)

    wait_until(lambda: far.depths().load == 0)
    assert "stop pulling" not in far.log()


def test_changes_are_told_and_looked_for_when_it_is_time(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    channel = Client(own_server.url).channel()
    look: Callable[[], float] = lambda: watch.look_if_due(channel)  # noqa: E731
    monkeypatch.setattr(eviction, "LOOK_EVERY_S", 1_000.0)
    watch = Eviction(changed=lambda: told.append(watch.policy))
    channel.plain("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")

    first = look()
    assert (first, "", []) == (look(), watch.policy, told)

    for policy in ("volatile-ttl", "allkeys-lru", "noeviction", "noeviction"):
        channel.plain("CONFIG", "SET", "maxmemory-policy", policy)
        watch._look_at = 0.0
        assert look() > first
    assert ["volatile-ttl", ""] == told
    channel.close()


def test_a_user_who_may_not_ask_is_not_told(own_server: Server) -> None:
    admin = Client(own_server.url)
    admin.plain("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", "-info")
    admin.plain("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    channel = Client(own_server.url.replace("//", "//worker:secret@", 1)).channel()
    watch = Eviction(changed=lambda: pytest.fail("nobody knows"))
    watch._look_at = 0.0

    watch.look_if_due(channel)

    assert "" == watch.policy
    channel.close()
    admin.close()
