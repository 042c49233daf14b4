"""Negative controls: with one thing broken on purpose, the invariant that is about it is violated.

A checker that is always green proves nothing; each test here is a fault of the matrix on a broken Heijunka.
"""

from __future__ import annotations

import os
import signal

import pytest

from heijunka.broker import conversation, scripts
from heijunka.errors import HeijunkaError, RedisUnreachable
from tests.faults.breakage import BREAKS, environ
from tests.faults.host import Host
from tests.faults.site import Site
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.matrix]


def broken_invariants(site: Site, *, repeats: int = 0) -> set[str]:
    wrong, _ = site.verdict(repeats=repeats)
    return {each.partition(":")[0] for each in wrong}


def killed_at_work(site: Site, host: Host) -> None:
    """Kill the only worker of a host while it runs a job, and wait until it is replaced."""
    [worker] = host.workers()
    op = site.produced.enqueue(site.shop.once.enqueue, 20_000)
    site.started(op)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: host.workers() not in ([], [worker]))
    wait_until(lambda: "was killed by SIGKILL:" in host.log())


@pytest.mark.parametrize(
    ("name", "invariant"),
    [("ack before run", "I1"), ("recover without re-add", "I1"), ("consumers kept", "I5")],
)
def test_a_killed_worker_shows_what_is_broken(site: Site, name: str, invariant: str) -> None:
    host = site.host(count=1, environ=environ(name))
    killed_at_work(site, host)

    assert invariant in broken_invariants(site, repeats=1)


def test_the_same_kill_violates_nothing_when_nothing_is_broken(site: Site) -> None:
    killed_at_work(site, site.host(count=1))

    assert set() == broken_invariants(site, repeats=1)


@pytest.mark.parametrize(
    ("name", "violated"), [("session check removed", {"I3", "I4"}), ("counter beside the stream", {"I3"})]
)
def test_lost_replies_show_what_is_broken(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, violated: set[str]
) -> None:
    site.host(count=1)
    shop = site.opened(site.proxy.url)
    with monkeypatch.context() as breaking:
        breaking.setattr(scripts, "load", scripts.load)
        BREAKS[name]()
        site.proxy.lose(0.2, only=[scripts.load("enqueue").sha.encode()])
        for _ in range(100):
            site.produced.enqueue(shop.work.enqueue)
    assert site.proxy.lost > 0

    assert violated == broken_invariants(site)


def test_a_refusal_of_what_was_done_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(error: HeijunkaError) -> HeijunkaError:
        return RedisUnreachable(str(error))

    monkeypatch.setattr(conversation, "unconfirmed", denied)
    shop = site.opened(site.proxy.url, redis_timeout="100ms")
    site.produced.enqueue(shop.work.enqueue)  # its script is there now, and its connection
    site.proxy.lose(1.0)
    refused = site.produced.enqueue(shop.work.enqueue)
    assert [refused] == site.produced.refused
    site.host(count=1)

    assert {"I2", "I3"} == broken_invariants(site)


def test_a_frozen_host_shows_that_nobody_is_fenced(site: Site) -> None:
    broken = environ("fence removed")
    hosts = [site.host(count=1, lease="1s", environ=broken) for _ in range(2)]
    op = site.produced.enqueue(site.shop.once.enqueue, 5_000)
    [first] = [host for host in hosts if site.started(op).pid in host.workers()]
    frozen = first.processes()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    site.started(op, times=2)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    site.ended(2)

    assert {"I3"} == broken_invariants(site, repeats=1)


@pytest.mark.long
def test_leases_that_run_out_show_as_repeats(site: Site) -> None:
    for _ in range(2):
        site.host(count=1, lease="1s", environ=environ("leases not renewed"))
    for _ in range(2):
        site.produced.enqueue(site.shop.once.enqueue, 6_000)
    site.started(times=3)

    assert "I4" in broken_invariants(site)


def test_children_that_outlive_their_worker_are_noticed(site: Site) -> None:
    site.host(count=1, environ=environ("children spared"))
    site.produced.enqueue(site.shop.family.enqueue, 0)

    assert {"I8"} == broken_invariants(site)
