"""What users are promised, one story each, on real processes and a real server. Nothing here looks at a clock."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from heijunka.control.limits import LimitsOf
from heijunka.errors import MaxWorkersReached, Overloaded
from tests.acceptance import shop as story
from tests.acceptance.conftest import PATIENCE_S, Shop, patiently


def test_one_worker_pulls_and_processes(shop: Shop) -> None:
    story.pack.enqueue_many([(number,) for number in range(20)])

    shop.run("worker", "-d", "orders", "-n", "1")

    patiently(lambda: len(shop.noted("packed")) == 20)
    assert [str(number) for number in range(20)] == [line.split()[0] for line in shop.noted("packed")]
    patiently(shop.is_idle)
    assert 1 == len({line.split()[1] for line in shop.noted("packed")})


def test_several_workers_share_the_work(shop: Shop) -> None:
    shop.run("worker", "-d", "orders", "-n", "3")
    patiently(lambda: shop.depths().workers == 3)
    story.hold.enqueue_many([(number,) for number in range(3)])

    patiently(lambda: len(shop.noted("held")) == 3)  # each holds one, so three of them work

    shop.let_go()
    patiently(shop.is_idle)
    assert 3 == len({line.split()[1] for line in shop.noted("packed")})


def test_a_worker_takes_what_it_can_do_and_leaves_the_rest(shop: Shop) -> None:
    story.hold.enqueue_many([(number,) for number in range(50)])

    shop.run("worker", "-d", "orders", "-n", "2", HEIJUNKA_PULL_SIZE="4")

    patiently(lambda: len(shop.noted("held")) == 2)
    assert shop.depths().running <= 8
    assert shop.depths().ready["normal"] >= 42


def test_what_fails_for_good_is_a_dead_letter_that_can_be_looked_at(shop: Shop) -> None:
    story.spoil.enqueue(7)
    shop.run("worker", "-d", "orders", "-n", "1")
    patiently(lambda: shop.depths().dead == 1)

    (line,) = shop.says("dlq", "list", "--json").splitlines()
    letter = json.loads(line)

    assert ("spoil", "retries") == (letter["task"], letter["reason"])
    assert ["7", "7"] == shop.noted("spoilt")
    assert "parcel 7 is torn" in shop.says("dlq", "show", letter["letter"])


def test_what_matters_more_goes_first(shop: Shop) -> None:
    for priority in ("low", "normal", "high"):
        for number in range(3):
            story.pack.options(priority=priority).enqueue(number + 10 * ["low", "normal", "high"].index(priority))

    shop.run("worker", "-d", "orders", "-n", "1")

    patiently(lambda: len(shop.noted("packed")) == 9)
    assert ["20", "21", "22", "10", "11", "12", "0", "1", "2"] == [line.split()[0] for line in shop.noted("packed")]


def test_told_to_stop_it_finishes_what_runs_and_gives_back_the_rest(shop: Shop) -> None:
    story.hold.enqueue_many([(number,) for number in range(10)])
    worker = shop.run("worker", "-d", "orders", "-n", "1")
    patiently(lambda: len(shop.noted("held")) == 1)

    worker.send_signal(signal.SIGTERM)
    patiently(lambda: shop.depths().running == 1)
    shop.let_go()

    assert 0 == worker.wait(PATIENCE_S)
    assert 1 == len(shop.noted("packed"))
    assert (9, 0, 0) == (shop.depths().load, shop.depths().counted("charged"), shop.depths().workers)


def test_a_drained_domain_finishes_what_it_has_and_takes_no_more(shop: Shop) -> None:
    story.hold.enqueue_many([(number,) for number in range(4)])
    shop.run("worker", "-d", "orders", "-n", "1")
    patiently(lambda: len(shop.noted("held")) == 1)

    shop.app.control.limits.drain("orders")
    with pytest.raises(Overloaded):
        story.pack.enqueue(1)
    shop.let_go()

    patiently(shop.is_idle)
    assert 4 == len(shop.noted("packed"))


def test_ten_thousand_jobs_are_each_done_once_and_counted(shop: Shop) -> None:
    shop.run("worker", "-d", "orders", "-n", "2")
    story.pack.enqueue_many([(number,) for number in range(10_000)])

    patiently(shop.is_idle)

    done = Counter(line.split()[0] for line in shop.noted("packed"))
    assert {str(number): 1 for number in range(10_000)} == done
    depths = shop.depths()
    assert (10_000, 10_000, 0, 0) == (
        depths.counted("enqueued"), depths.counted("ack", "done"), depths.counted("charged"), depths.dead,
    )  # fmt: skip


def test_a_breaker_opens_tries_and_closes(shop: Shop) -> None:
    story.charge.enqueue_many([(cents,) for cents in range(12)])
    settings = {"HEIJUNKA_BREAKER": "3", "HEIJUNKA_BREAKER_OPEN": "50ms", "HEIJUNKA_BREAKER_OPEN_MOST": "50ms"}
    shop.run("worker", "-d", "bank", "-n", "1", **settings)
    patiently(lambda: shop.depths("bank").counted("breaker_opened") >= 2)  # it tried one, in vain

    shop.mend()

    patiently(lambda: shop.is_idle("bank"))
    assert 12 == shop.depths("bank").dead + len(shop.noted("charged"))
    patiently(lambda: shop.app.control.pools["bank"].status().broken == 0)


def test_admission_refuses_and_recovers(shop: Shop) -> None:
    LimitsOf(shop.app.connections.client, shop.app.keys).set("orders", hard_limit=10, soft_limit=8, reserved=0.2)
    taken = [story.hold.enqueue(number).admission.state for number in range(8)]
    with pytest.raises(Overloaded) as refused:
        story.hold.enqueue(8)
    assert (["ok"] * 8, "orders", 8) == (taken, refused.value.domain, refused.value.limit)
    assert "soft" == story.hold.options(priority="high").enqueue(9).admission.state

    shop.run("worker", "-d", "orders", "-n", "1")
    shop.let_go()
    assert "ok" == story.hold.options(on_overload="wait", wait=PATIENCE_S).enqueue(10).admission.state

    patiently(shop.is_idle)
    assert 10 == len(shop.noted("packed"))


def test_a_pool_tells_how_it_is_under_load(shop: Shop) -> None:
    shop.run("worker", "-d", "orders")
    patiently(lambda: shop.depths().workers == 2)
    story.hold.enqueue_many([(number,) for number in range(30)])
    patiently(lambda: len(shop.noted("held")) >= 2)

    told = {one["domain"]: one for one in json.loads(shop.says("status", "--json"))["pools"]}["orders"]

    assert told["waiting"] + told["busy"] == told["load"] >= 28
    assert told["current"] >= 2
    assert told["ready"]["normal"] == told["waiting"]
    assert "orders" in shop.says("status", "--once")


def test_a_pool_grows_to_what_is_ordered_and_shrinks_without_a_redelivery(shop: Shop) -> None:
    shop.run("worker", "-d", "orders")
    pool = shop.app.control.pools["orders"]
    patiently(lambda: pool.status().current == 2)

    pool.scale_to(5)
    patiently(lambda: shop.depths().workers == 5)
    with pytest.raises(MaxWorkersReached):
        pool.scale_to(51)
    story.hold.enqueue_many([(number,) for number in range(5)])
    patiently(lambda: len(shop.noted("held")) == 5)
    pool.scale_to(2)
    patiently(lambda: pool.status().draining == 3)
    shop.let_go()

    patiently(lambda: shop.depths().workers == 2)
    patiently(shop.is_idle)
    assert 5 == len(shop.noted("packed"))
    assert (0, 0) == (shop.depths().counted("charged"), shop.depths().counted("returned"))
    assert "5" in shop.says("scale", "explain", "orders")


def test_a_pool_grows_with_its_load_and_says_why(shop: Shop) -> None:
    shop.run("worker", "-d", "orders")
    pool = shop.app.control.pools["orders"]
    patiently(lambda: pool.status().current == 2)
    story.nap.enqueue_many([(20,)] * 3_000)

    patiently(lambda: pool.status().current > 2)

    assert any(decision.after > decision.before and "waiting" in decision.reason for decision in pool.explain())


def test_workers_are_moved_to_who_needs_them(shop: Shop) -> None:
    shop.run("worker", "-d", "orders", "-d", "bank", HEIJUNKA_TOTAL_WORKERS="8", HEIJUNKA_SURGE_WORKERS="0")
    orders, bank = shop.app.control.pools["orders"], shop.app.control.pools["bank"]
    patiently(lambda: orders.status().current == 2 == bank.status().current)

    story.nap.enqueue_many([(50,)] * 4_000)

    patiently(lambda: orders.status().current == 6)
    assert 2 == bank.status().target
    assert "all pools may have 8 workers together" in orders.status().reason


def test_a_killed_leader_and_half_the_workers_are_replaced_without_help(shop: Shop) -> None:
    leader = shop.run("coordinator")
    patiently(lambda: shop.app.control.pools.leader() != "")
    shop.run("worker", "-d", "orders", "--no-coordinator")
    shop.run("coordinator")
    pool = shop.app.control.pools["orders"]
    pool.scale_to(4)
    patiently(lambda: shop.depths().workers == 4)
    first = shop.app.control.pools.leader()
    story.hold.enqueue_many([(number,) for number in range(4)])
    patiently(lambda: len(shop.noted("held")) == 4)

    leader.kill()
    import os

    for line in shop.noted("held")[:2]:
        os.kill(int(line.split()[1]), signal.SIGKILL)
    patiently(lambda: len(shop.noted("held")) >= 6)  # what they ran is run again
    patiently(lambda: shop.app.control.pools.leader() not in {"", first})
    pool.scale_to(3)
    patiently(lambda: pool.status().current == 3)

    shop.let_go()
    patiently(shop.is_idle)
    assert {"0", "1", "2", "3"} == {line.split()[0] for line in shop.noted("packed")}
    assert 2 == shop.depths().counted("charged")


def test_what_a_killed_supervisor_had_another_one_takes_over(shop: Shop) -> None:
    first = shop.run("worker", "-d", "orders", "--no-coordinator", HEIJUNKA_LEASE="1s")
    shop.run("worker", "-d", "orders", HEIJUNKA_LEASE="1s")
    pool = shop.app.control.pools["orders"]
    patiently(lambda: pool.status().current == 4)
    pool.scale_to(4)
    story.hold.enqueue_many([(number,) for number in range(4)])
    patiently(lambda: len(shop.noted("held")) == 4)

    first.kill()

    patiently(lambda: pool.status().current == 4 and shop.depths().workers == 4)
    shop.let_go()
    patiently(shop.is_idle)
    assert {"0", "1", "2", "3"} == {line.split()[0] for line in shop.noted("packed")}
