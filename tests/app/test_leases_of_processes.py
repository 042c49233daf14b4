"""Leases that other processes hold: one that is killed, and several that want more than there is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from heijunka import Heijunka, commands
from heijunka.app import Lease
from heijunka.commands import Depths
from heijunka.errors import Overloaded
from heijunka.policies.admission import Limits, spelled
from tests.app.holder import INSIDE
from tests.fixtures.server import Driver
from tests.fixtures.waiting import wait_until

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def holder(shop: Heijunka) -> Iterator[Start]:
    """Starts processes that hold leases; ends those that the test left."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        environment = {"HEIJUNKA_REDIS_URL": shop.redis_url(), "HEIJUNKA_NAMESPACE": shop.namespace}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.holder", *words],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def limit(redis: Driver, shop: Heijunka, hard: int) -> None:
    redis.hset(shop.keys("payment").limits, "rule", spelled(Limits(hard, hard, 0.0)))


@pytest.mark.faults
def test_the_quota_of_a_holder_that_was_killed_is_back_when_its_ttl_is_over(
    shop: Heijunka, redis: Driver, holder: Start, depths: Callable[[str], Depths]
) -> None:
    """Not before, and by no hand of the holder's."""
    limit(redis, shop, 1)
    process = holder("hold", "1500ms")
    assert process.stdout is not None
    token = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.wait()
    over_ms = int(token.rpartition(":")[2])

    def admitted() -> Lease | None:
        before_ms = server_ms(redis)
        try:
            lease = shop.request_admission("payment")
        except Overloaded:
            assert before_ms < over_ms, "it was not back in time"
            return None
        assert server_ms(redis) >= over_ms, "it was back before its time"
        return lease

    lease = wait_until(admitted)

    assert lease is not None
    assert "released" == shop.release_quota(lease)
    assert "expired" == shop.release_quota(token)
    counted = depths("payment")
    assert (2, 1, 1, 0) == (
        *(counted.counted(name) for name in ("granted_n", "expired_n", "released_n")),
        counted.load,
    )


def test_four_processes_are_never_more_inside_than_the_limit_lets_in(
    shop: Heijunka, redis: Driver, holder: Start, depths: Callable[[str], Depths]
) -> None:
    """Each counts in Redis who is inside, besides the leases; the limit is reached, and never passed."""
    limit(redis, shop, 2)
    crowd = [holder("crowd", "150") for _ in range(4)]

    told = [process.communicate(timeout=50)[0].split() for process in crowd]
    redis.delete(f"{{{shop.namespace}}}:{INSIDE}")

    most, entered, refused = (list(map(int, column)) for column in zip(*told, strict=True))
    assert max(most) <= 2
    assert [150] * 4 == entered
    wait_until(lambda: depths("payment").load == 0)  # the ends of the last blocks may still be on their way
    counted = depths("payment")
    assert (600, 600, sum(refused), 0) == (
        *(counted.counted(name) for name in ("granted_n", "released_n", "refused_hard_n")),
        counted.load,
    )
    assert shop.connections.client.execute(commands.weigh(shop.keys("payment"))) == commands.Gauge(0, 2, 2, 2)


def server_ms(redis: Driver) -> int:
    seconds, micros = redis.time()
    return int(seconds) * 1_000 + int(micros) // 1_000
