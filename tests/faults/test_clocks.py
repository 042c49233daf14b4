"""Clocks that jump: Redis's, and those of hosts."""

from __future__ import annotations

import functools
import sys
import threading
from pathlib import Path

import pytest

from tests.faults.conftest import OpenSite
from tests.faults.figures import Row
from tests.faults.host import in_environment
from tests.faults.site import Site, now_ns
from tests.faults.skew import Skew
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.matrix]


@pytest.fixture
def skew(tmp_path: Path) -> Skew:
    return Skew(tmp_path)


def jumped(site: Site, to_s: int) -> bool:
    return abs(int(site.redis.time()[0]) - to_s) < 60


@pytest.mark.long
@pytest.mark.row(31, "Redis's clock jumps by +120 s and by -600 s", target="≤ 2 s")
def test_a_clock_that_jumps_takes_no_lease(open_site: OpenSite, row: Row, skew: Skew) -> None:
    site = open_site(popen={"env": in_environment(skew.environ)})
    before = int(site.redis.time()[0])
    hosts = [site.host(count=1, lease="2s") for _ in range(2)]
    long = [site.produced.enqueue(site.shop.work.enqueue, 8_000) for _ in range(2)]
    for op in long:
        site.started(op)
    third = site.host(count=1, lease="2s")
    with site.produced.steadily(50, site.shop.work.enqueue, 5):
        for ahead_s in (120, -600):
            site.ended(len(site.ledger.of("E")) + 20)
            skew.set(ahead_s * 1_000)
            wait_until(functools.partial(jumped, site, before + ahead_s))  # the shim looks now and then
            row.recovered(site.recovery_ms(now_ns()))
            threading.Event().wait(3)  # a lease and a half: who believed the clock would act within it
    row.faults = 2

    site.finish(row, repeats=0)
    assert not any("lost its lease" in host.log() for host in (*hosts, third))


@pytest.mark.row(32, "a worker's clock is 1 h ahead and a producer's 1 h behind, and the other way round")
@pytest.mark.parametrize("ahead_s", [3_600, pytest.param(-3_600, marks=pytest.mark.long)])
def test_clocks_of_hosts_decide_nothing(site: Site, row: Row, tmp_path: Path, ahead_s: int) -> None:
    worker, producer = (Skew(folder_in(tmp_path, name)) for name in ("worker", "producer"))
    worker.set(ahead_s * 1_000)
    producer.set(-ahead_s * 1_000)
    site.host(count=1, environ=worker.environ)

    asked = site.produced.elsewhere(
        [sys.executable, "-m", "tests.faults.enqueue", site.server.url], 20, environ=in_environment(producer.environ)
    )
    late = []
    for op, at_ns in asked.items():
        waited_ms = (site.started(op).at_ns - at_ns) / 1e6
        assert waited_ms >= 1_000, f"job {op} was to wait 1 s and waited {waited_ms:.0f} ms"
        late.append(waited_ms - 1_000)
    row.faults = 2
    row.note = f"delayed jobs started at most {max(late):.0f} ms late, none early; none expired"

    site.finish(row, repeats=0)


def folder_in(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
