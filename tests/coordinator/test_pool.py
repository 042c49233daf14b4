"""What the leader makes of a pool's reports: no clock, no Redis."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from heijunka.commands import Depths, Fleet, Order, PoolReport, Report, Target
from heijunka.coordinator.pool import Pool, Wanted
from heijunka.policies.burst import BurstRules

NOW = 1_700_000_000_000


class Play:
    """A pool that is looked at each second, and gets what is decided."""

    def __init__(self, rules: BurstRules | None = None, *, workers: int = 10, most: int = 50) -> None:
        self.pool, self.most = Pool("payment", rules or BurstRules()), most
        self.now_ms, self.workers, self.broken = NOW, workers, 0
        self.enqueued = self.ended = self.registered = 0
        self.busy_ns = self.slot_ns = 0
        self.target: Target | None = None
        self.order: Order | None = None
        self.wanted: list[Wanted] = []

    def second(self, arrivals: int, backlog: int = 0) -> Wanted:
        self.now_ms += 1_000
        self.enqueued += arrivals
        done = min(arrivals, self.workers * 10)
        self.ended += done
        self.busy_ns += done * 100_000_000
        self.slot_ns += self.workers * 1_000_000_000
        report = PoolReport(
            self.workers, busy_ns=self.busy_ns, slot_ns=self.slot_ns, ended=self.ended, least=2, most=self.most,
            broken=self.broken,
        )  # fmt: skip
        fleet = Fleet(
            self.now_ms,
            {"host": Report("host", 1, 100, {"payment": report})},
            {"payment": self.order} if self.order else {},
            {"payment": self.target} if self.target else {},
            "me",
            1,
        )
        wanted = self.pool.decide(fleet, depths(backlog, self.registered, enqueued=self.enqueued, ack=self.ended), None)
        self.target, self.workers = wanted.target, wanted.target.workers
        self.wanted.append(wanted)
        return wanted

    def seconds(self, *arrivals: int, backlog: int = 0) -> Wanted:
        return [self.second(count, backlog) for count in arrivals][-1]


def depths(backlog: int, registered: int = 0, **counters: int) -> Depths:
    values: dict[str, Any] = {field.name: 0 for field in msgspec.structs.fields(Depths)}
    values |= {
        "ready": {"high": 0, "normal": backlog, "low": 0},
        "counters": counters,
        "limits": {},
        "workers": registered,
    }
    return Depths(**{name: value for name, value in values.items() if name in Depths.__struct_fields__})


def test_a_burst_raises_a_surge_on_top_of_what_its_load_needs_and_it_ends_and_is_kept() -> None:
    play = Play(BurstRules(cost_per_worker_hour=3_600.0))
    play.seconds(*[70] * 65)
    before = play.workers

    raised = play.second(110)
    assert "fill the" in raised.target.reason
    assert raised.target.surge is not None
    assert raised.target.base is not None
    assert 5 == raised.target.surge.workers == raised.target.workers - raised.target.base
    play.seconds(*[70] * 40)
    ended = [one.ended for one in play.wanted if one.ended]

    assert 1 == len(ended)
    assert "done without it" in ended[0].ending
    assert (1, None) == (play.wanted[-1].target.surges.surges, play.wanted[-1].target.surge)
    assert play.wanted[-1].target.surges.cost == pytest.approx(play.wanted[-1].target.surges.worker_s)
    assert play.workers >= before


def test_a_leader_that_comes_after_goes_on_with_the_surge() -> None:
    play = Play()
    play.seconds(*[70] * 65, 200)
    assert play.target is not None
    surge = play.target.surge
    assert surge is not None

    play.pool = Pool("payment", BurstRules())
    play.seconds(200, 200, 200)

    assert play.target is not None
    after = play.target.surge
    assert after is not None
    assert surge.began_s == after.began_s
    assert 1 == play.target.surges.surges


def test_a_surge_that_was_stopped_ends() -> None:
    play = Play()
    play.seconds(*[70] * 65, 200)
    play.order = Order(stopped_ms=play.now_ms)

    wanted = play.second(200)

    assert wanted.ended is not None
    assert "it was stopped" == wanted.ended.ending
    assert "auto" == wanted.target.mode


def test_a_pool_is_not_grown_to_feed_an_open_breaker() -> None:
    play = Play(workers=4)
    play.seconds(30, 30)
    play.broken, size = 1, play.workers

    wanted = play.seconds(900, 900, backlog=800)

    assert (size, "degraded") == (wanted.target.workers, wanted.target.health)
    assert f"1 of {size} breakers are open, so it does not grow" in wanted.target.reason
    play.broken = 0
    assert play.seconds(900, 900, backlog=800).target.workers > size


def test_workers_that_no_supervisor_knows_are_stale_after_three_looks() -> None:
    play = Play(workers=10)
    play.seconds(*[70] * 3)
    play.registered = 12

    assert [False, False, True] == [play.second(70).target.health == "degraded" for _ in range(3)]
    play.registered = 10
    assert "degraded" != play.second(70).target.health


def test_an_order_stands_whatever_the_load() -> None:
    play = Play()
    play.order = Order(workers=7)

    wanted = play.seconds(*[500] * 5, backlog=900)

    assert (7, "manual", None) == (wanted.target.workers, wanted.target.mode, wanted.share)


def test_what_was_moved_counts_once() -> None:
    play = Play(workers=10)
    play.seconds(*[70] * 5)
    play.order = Order(moved=3, moved_ms=play.now_ms)

    assert [13, 13, 13] == [play.second(70).target.workers for _ in range(3)]


def test_counters_that_go_back_decide_nothing() -> None:
    play = Play()
    play.seconds(*[70] * 5)
    play.enqueued = 0

    wanted = play.second(0)

    assert (10, None) == (wanted.target.workers, wanted.share)
    assert "first look" in wanted.target.reason
