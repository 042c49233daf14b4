"""Connections that are cut, slow, mute, or lose a reply when the work was done."""

from __future__ import annotations

import pytest

from heijunka.broker import scripts
from tests.faults.figures import Row
from tests.faults.site import DRAIN_S, Site, now_ns
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.matrix]


def enough_lost(site: Site) -> None:
    """Wait until more than 10 replies are lost."""
    wait_until(lambda: site.proxy.lost > 10, DRAIN_S)


def sha(script: str) -> bytes:
    return scripts.load(script).sha.encode()


@pytest.mark.row(4, "replies to enqueue are lost")
def test_an_enqueue_whose_reply_is_lost_happens_once(site: Site, row: Row) -> None:
    shop = site.opened(site.proxy.url)
    site.proxy.lose(0.02, only=[sha("enqueue")])
    for _ in range(5_000):
        site.produced.enqueue(shop.work.enqueue)
    row.faults = site.proxy.lost
    assert row.faults > 50
    assert 5_000 == sum(int(site.redis.xlen(key)) for key in site.keys.sources) == len(site.produced.accepted)

    site.host(count=2)
    site.finish(row, repeats=0)


@pytest.mark.row(5, "replies to pull are lost", target="≤ 1 s")
def test_jobs_of_a_pull_whose_reply_is_lost_run_once(site: Site, row: Row) -> None:
    site.host(count=2, url=site.proxy.url)
    site.proxy.lose(0.3, only=[sha("pull")])
    with site.produced.steadily(200, site.shop.work.enqueue, 2):
        for _ in range(5):
            lost, at_ns = site.proxy.lost, now_ns()
            wait_until(lambda before=lost: site.proxy.lost > before)  # type: ignore[misc]  # bound at once
            row.recovered(site.recovery_ms(at_ns))
        site.ended(400)
    row.faults = site.proxy.lost

    site.finish(row, repeats=0)


@pytest.mark.row(6, "replies to settle are lost: acks")
def test_an_ack_whose_reply_is_lost_counts_once(site: Site, row: Row) -> None:
    host = site.host(count=2, url=site.proxy.url)
    site.proxy.lose(0.1, only=[sha("settle")])
    with site.produced.steadily(200, site.shop.work.enqueue, 2):
        site.ended(500)
        enough_lost(site)
    row.faults = site.proxy.lost

    site.finish(row, repeats=0)
    assert "refused: taken away" not in host.log()


@pytest.mark.row(7, "replies to settle are lost: retries and releases")
def test_a_retry_whose_reply_is_lost_makes_one_copy(site: Site, row: Row) -> None:
    host = site.host(count=2, url=site.proxy.url)
    site.proxy.lose(0.1, only=[sha("settle")])
    with site.produced.steadily(100, site.shop.fail.enqueue, 2):
        site.ended(150)
        enough_lost(site)
    site.stop()  # what is in the inboxes is released
    site.host(count=2, url=site.proxy.url)
    row.faults = site.proxy.lost

    books = site.finish(row, repeats=0)
    assert {2} == set(books.failed.values())
    assert "refused: taken away" not in host.log()


@pytest.mark.row(8, "all connections are reset", target="≤ 1 s")
def test_connections_that_are_reset_are_made_again(site: Site, row: Row) -> None:
    site.host(count=2, url=site.proxy.url)
    shop = site.opened(site.proxy.url)
    with site.produced.steadily(100, shop.work.enqueue, 5, threads=2):
        for count in range(6):
            site.ended(100 * (count + 1))
            at_ns = now_ns()
            site.proxy.cut()
            row.recovered(site.recovery_ms(at_ns))
    row.faults = 6

    site.finish(row, repeats=0)


@pytest.mark.row(9, "the network swallows everything for three times the timeout", target="≤ timeout 1 s + 1 s")
def test_a_network_that_swallows_everything_hangs_nobody(site: Site, row: Row) -> None:
    site.host(count=2, url=site.proxy.url, redis_timeout="1s")
    shop = site.opened(site.proxy.url, redis_timeout="1s")
    with site.produced.steadily(50, shop.work.enqueue, 5, threads=2):
        site.ended(50)
        site.proxy.mode = "blackhole"
        wait_until(lambda: len(site.produced.errors) >= 4)  # two calls of each producer
        at_ns = now_ns()
        site.proxy.mode = "pass"
        row.recovered(site.recovery_ms(at_ns))
        site.ended(100)
    row.note = f"the slowest enqueue took {site.produced.slowest_s:.1f} s"
    assert site.produced.slowest_s < 20, "a call that is over after 1 s, and a machine that is very slow"
    assert {"Unconfirmed", "RedisUnreachable"} >= set(site.produced.errors)

    site.finish(row, repeats=0)


@pytest.mark.long
@pytest.mark.row(10, "every request and every reply takes 500 ms longer")
def test_a_slow_network_costs_no_lease(site: Site, row: Row) -> None:
    host = site.host(count=2, url=site.proxy.url)
    site.proxy.latency_s = 0.5
    site.produced.enqueue_many(site.shop.work.enqueue_many, 200, 5)
    site.ended(200)
    site.proxy.latency_s = 0

    site.finish(row, repeats=0)
    assert "lost its lease" not in host.log()


@pytest.mark.row(17, "CLIENT KILL of every connection", target="≤ 1 s")
def test_connections_that_redis_closes_are_made_again(site: Site, row: Row) -> None:
    site.host(count=2)
    with site.produced.steadily(100, site.shop.work.enqueue, 5, threads=2):
        for count in range(6):
            site.ended(100 * (count + 1))
            at_ns = now_ns()
            site.redis.client_kill_filter(_type="normal", skipme=True)
            row.recovered(site.recovery_ms(at_ns))
    row.faults = 6

    site.finish(row, repeats=0)
