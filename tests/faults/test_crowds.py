"""Very many at once: jobs that are due, idle workers, calls that are cancelled."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.conftest import OpenSite
from tests.faults.figures import Row
from tests.faults.site import Site
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.matrix]


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.row(36, "50,000 jobs become due at once", target="≤ 20 ms a script call")
def test_a_crowd_that_is_due_at_once_blocks_redis_for_nobody(open_site: OpenSite, row: Row) -> None:
    site = open_site(**{"slowlog-log-slower-than": "2000", "slowlog-max-len": "1000"})
    due = datetime.now(UTC) + timedelta(seconds=1)
    for _ in range(50):
        site.produced.enqueue_many(site.shop.work.options(at=due).enqueue_many, 1_000)
    site.redis.slowlog_reset()
    wait_until(lambda: datetime.now(UTC) > due, 30)
    site.host(count=2)
    wait_until(lambda: site.redis.zcard(site.keys.scheduled) == 0, 60)
    slowest = [entry["duration"] / 1_000 for entry in site.redis.slowlog_get(1_000) if b"EVALSHA" in entry["command"]]
    row.note = f"the slowest script call took {max(slowest, default=2.0):.0f} ms"

    site.finish(row, repeats=0)


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.row(37, "one job at a time for 100 idle workers", target="≤ 50 ms")
def test_one_job_wakes_one_of_many_idle_workers(site: Site, row: Row) -> None:
    site.host(count=100, poll="5s")
    before = {name: calls(site, name) for name in ("xack", "rpush")}
    for _ in range(100):
        at_ns = time.monotonic_ns()
        op = site.produced.enqueue(site.shop.work.enqueue)
        row.recovered((site.started(op).at_ns - at_ns) / 1e6)
    rings = calls(site, "rpush") - before["rpush"]
    row.note = f"{rings} rings for 100 jobs"
    assert rings <= 200, "each job wakes one worker, who may wake one more"

    site.finish(row, repeats=0)


def calls(site: Site, command: str) -> int:
    """How often a command was called, by scripts too."""
    stats = site.redis.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})
    return int(stats["calls"])


@pytest.mark.row(53, "calls of aenqueue are cancelled at any moment, while replies are lost")
def test_cancelled_calls_are_done_or_not_and_never_somebody_elses(open_site: OpenSite, row: Row) -> None:
    site = open_site(domain="courier")
    shop = site.opened(site.proxy.url)
    site.proxy.lose(0.01)

    async def caller(rounds: int) -> None:
        for _ in range(rounds):
            call = asyncio.ensure_future(site.produced.aenqueue(shop.awork.aenqueue))
            if site.chance.random() < 0.3:
                for _ in range(1 + site.chance.randrange(12)):
                    await asyncio.sleep(0)
                call.cancel()
                row.faults += 1
            await asyncio.wait([call])

    async def story() -> None:
        row.faults = 0
        await asyncio.gather(*(caller(500) for _ in range(20)))
        await shop.app.connections.aclient.close()

    asyncio.run(story())
    assert 10_000 == site.produced.operations
    assert row.faults > 2_000

    site.host(count=1, slots="50")
    site.finish(row, repeats=0)
