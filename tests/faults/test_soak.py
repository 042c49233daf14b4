"""Row 54: random faults for as long as it is told to, at 200 jobs a second; afterwards everything is as it was.

`HEIJUNKA_TEST_SOAK` says for how long (`10m`); `make soak` sets it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import redis

from heijunka.clock import duration_ms
from heijunka.errors import HeijunkaError
from tests.faults import processes
from tests.faults.conftest import OpenSite
from tests.faults.figures import Row
from tests.faults.host import Host
from tests.faults.site import Site

pytestmark = [pytest.mark.faults, pytest.mark.soak, pytest.mark.timeout(0)]

LENGTH: Final = "HEIJUNKA_TEST_SOAK"
RATE: Final = 200
AT_RISK: Final = 60
"""Jobs of 2 ms that one worker may repeat: what it was running, had not settled, or held when its host was frozen."""


class Sample(msgspec.Struct, frozen=True):
    """What the site takes at one moment: of Redis, and of all processes of its hosts together.

    Attributes:
        redis_kib: memory of Redis's data.
        keys: keys of the domain, sessions not counted: those of callers that are gone expire after ten minutes.
        sessions: those.
        processes, descriptors, threads, resident_kib: of the hosts.
    """

    redis_kib: int
    keys: int
    sessions: int
    processes: int
    descriptors: int
    threads: int
    resident_kib: int


SPARE: Final = {"redis_kib": 1_024, "keys": 8, "processes": 0, "descriptors": 4, "threads": 2, "resident_kib": 8_192}
"""How much more than a tenth the end may differ from the beginning."""


class Soak:
    """Does random faults to a site.

    Attributes:
        faults: how often each was done.
        repeats: attempts they may repeat.
    """

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site, self._chance = site, chance
        self.hosts = [self._started(), self._started()]
        self.faults: dict[str, int] = {}
        self.repeats = 0

    def one(self) -> None:
        """Do one fault, and wait until everybody is there again."""
        faults: tuple[Callable[[], int], ...] = (
            self._kill_worker, self._kill_worker, self._kill_supervisor, self._freeze_host, self._roll, self._cut,
            self._lose_replies, self._restart_redis, self._freeze_redis, self._flush_scripts, self._kill_clients,
        )  # fmt: skip
        fault = self._chance.choice(faults)
        self.repeats += fault() * AT_RISK
        name = fault.__name__.strip("_").replace("_", " ")
        self.faults[name] = self.faults.get(name, 0) + 1
        for host in self.hosts:
            self._site.staffed(host, 2)

    def sample(self) -> Sample:
        """Look at everything."""
        keys = list(self._site.redis.scan_iter(count=1_000))
        sessions = sum(self._site.keys.sessions.encode() in key for key in keys)
        pids = [pid for host in self.hosts for pid in host.processes()]
        return Sample(
            int(self._site.redis.info("memory")["used_memory_dataset"]) // 1_024,
            len(keys) - sessions,
            sessions,
            len(pids),
            *(
                sum(map(measure, pids))
                for measure in (processes.descriptors, processes.threads, processes.resident_kib)
            ),
        )

    def _started(self) -> Host:
        return self._site.host(count=2, url=self._site.proxy.url, lease="2s", redis_timeout="1s")

    def _pause(self, least: float, most: float) -> None:
        time.sleep(self._chance.uniform(least, most))  # how long a fault lasts is part of it

    # -- faults: each returns how many workers' jobs it puts at risk ------------------------------

    def _kill_worker(self) -> int:
        victims = self._chance.choice(self.hosts).workers()
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._chance.choice(victims), signal.SIGKILL)
        return 1

    def _kill_supervisor(self) -> int:
        at = self._chance.randrange(2)
        self.hosts[at].tell(signal.SIGKILL)
        self.hosts[at].ended()
        self.hosts[at] = self._started()
        return 2

    def _freeze_host(self) -> int:
        frozen = self._chance.choice(self.hosts).processes()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        self._pause(0.5, 4)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        return 2

    def _roll(self) -> int:
        self._chance.choice(self.hosts).tell(signal.SIGHUP)
        self._pause(3, 4)
        return 0

    def _cut(self) -> int:
        self._site.proxy.cut()
        return 0

    def _lose_replies(self) -> int:
        self._site.proxy.lose(0.05)
        self._pause(1, 3)
        self._site.proxy.lose(0)
        return 0

    def _restart_redis(self) -> int:
        self._site.server.kill()
        self._pause(0, 1)
        self._site.server.start()
        return 0

    def _freeze_redis(self) -> int:
        self._site.server.freeze()
        self._pause(0.2, 1.5)
        self._site.server.thaw()
        return 4  # beyond two thirds of a lease nobody renews in time

    def _flush_scripts(self) -> int:
        self._site.redis.script_flush()
        return 0

    def _kill_clients(self) -> int:
        self._site.redis.client_kill_filter(_type="normal", skipme=True)
        return 0


@pytest.mark.row(54, "random faults, one after the other, at 200 jobs/s")
def test_random_faults_lose_nothing_and_leave_everything_flat(
    open_site: OpenSite, row: Row, chance: random.Random
) -> None:
    seconds = duration_ms(os.environ.get(LENGTH, "2m"), option=LENGTH) / 1_000
    site = open_site(appendonly="yes", appendfsync="everysec")
    soak = Soak(site, chance)
    shop = site.opened(site.proxy.url, redis_timeout="1s")
    samples: list[Sample] = []
    end = time.monotonic() + seconds
    with site.produced.steadily(RATE, shop.work.enqueue, 2, threads=4):
        while time.monotonic() < end:
            with contextlib.suppress(redis.ConnectionError, HeijunkaError, FileNotFoundError):  # somebody just ended
                samples.append(soak.sample())
            soak.one()
    row.faults = sum(soak.faults.values())
    row.note = told(samples)
    print(f"{soak.faults}\n{row.note}\n{len(site.produced.refused)} refused, {len(site.produced.unknown)} unknown")  # noqa: T201

    site.finish(row, repeats=soak.repeats)
    assert [] == grown(samples)
    assert not Path(f"/proc/{soak.hosts[0].pid}").exists()


def ends(samples: list[Sample], name: str) -> tuple[float, float]:
    """The median of the first third, the first few looks left out, and that of the last."""
    values: list[Any] = [getattr(sample, name) for sample in samples[3:]]
    third = max(1, len(values) // 3)
    return statistics.median(values[:third]), statistics.median(values[-third:])


def grown(samples: list[Sample]) -> list[str]:
    """What has become more."""
    found = []
    for name, spare in SPARE.items():
        first, last = ends(samples, name)
        if last > first * 1.1 + spare:
            found.append(f"{name}: {first:g} at first, {last:g} at the end")
    return found


def told(samples: list[Sample]) -> str:
    """From and to, for everything that is looked at."""
    return ", ".join(
        f"{name.replace('_', ' ')} {ends(samples, name)[0]:.0f} → {ends(samples, name)[1]:.0f}"
        for name in Sample.__struct_fields__
    )
