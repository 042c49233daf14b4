"""The trimmer: dead letters stay within the bounds that somebody set, and otherwise stay."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from heijunka.broker.client import Client
from heijunka.keys import DomainKeys, domain_keys
from heijunka.worker.trimmer import Bounds, Trimmer
from tests.fixtures.letters import bury, entries
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot
from tests.fixtures.waiting import wait_until
from tests.worker.conftest import Host

Start = Callable[[], Trimmer]


@pytest.fixture
def trimmer(redis_url: str) -> Iterator[Trimmer]:
    client = Client(redis_url, role="trimmer", timeout_s=0.5)
    trimming = Trimmer(client, every_s=0.01)
    yield trimming
    trimming.stop()
    assert trimming.join(20)


def test_the_oldest_letters_beyond_a_number_go_in_every_domain_and_are_counted(
    trimmer: Trimmer, redis: Driver, keys: DomainKeys, caplog: pytest.LogCaptureFixture
) -> None:
    other = domain_keys(keys.namespace, "fraud")
    kept = [bury(redis, keys) for _ in range(250)][-3:]
    bury(redis, other)

    trimmer.serve([keys, other], Bounds(count=3))

    wait_until(lambda: "payment: purged 247 dead letters beyond dead_max_age or dead_max_count" in caplog.messages)
    assert (kept, 1) == (entries(redis, keys), len(entries(redis, other)))
    assert ({"purged": 247}, {}) == (snapshot(redis, keys).stats, snapshot(redis, other).stats)


def test_letters_beyond_an_age_go_and_what_comes_too_old_later_goes_too(
    trimmer: Trimmer, redis: Driver, keys: DomainKeys
) -> None:
    now = redis.time()[0] * 1_000
    bury(redis, keys, at=now - 7_200_000)
    young = bury(redis, keys, at=now - 60_000)

    trimmer.serve([keys], Bounds(age_ms=3_600_000))
    wait_until(lambda: entries(redis, keys) == [young])
    trimmer.serve([keys], Bounds(age_ms=30_000))

    wait_until(lambda: entries(redis, keys) == [])
    assert {"purged": 2} == snapshot(redis, keys).stats


def test_a_spoilt_domain_does_not_keep_the_others_from_being_trimmed(
    trimmer: Trimmer, redis: Driver, keys: DomainKeys
) -> None:
    spoilt = domain_keys(keys.namespace, "aaa")
    redis.set(spoilt.dead, "somebody else's")
    bury(redis, keys)

    trimmer.serve([spoilt, keys], Bounds(count=0))

    wait_until(lambda: entries(redis, keys) == [])


def test_without_a_bound_there_is_nothing_to_do_and_nobody_to_do_it(trimmer: Trimmer, keys: DomainKeys) -> None:
    trimmer.serve([keys], Bounds())

    assert "trimmer" not in {thread.name for thread in threading.enumerate()}


def test_a_supervisor_keeps_its_domains_within_the_settings(host: Host, redis: Driver, keys: DomainKeys) -> None:
    letters = [bury(redis, keys) for _ in range(5)]

    host.start(overrides={"dead_max_count": 2})

    wait_until(lambda: entries(redis, keys) == letters[-2:])
    assert 3 == host.depths().counted("purged")
    wait_until(lambda: "payment: purged 3 dead letters" in host.log())
