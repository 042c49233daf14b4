"""The promoter: what is due gets ready, whatever happens to Redis."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.keys import DomainKeys, domain_keys
from heijunka.worker.promoter import Promoter
from tests.fixtures.domain import Domain
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until


@pytest.fixture
def domain(client: Client, keys: DomainKeys) -> Domain:
    return Domain(client, keys)


@pytest.fixture
def promoter() -> Iterator[Callable[..., Promoter]]:
    promoters: list[Promoter] = []

    def start(url: str, *keys: DomainKeys) -> Promoter:
        promoters.append(Promoter(Client(url, role="promoter", timeout_s=0.5), keys))
        promoters[-1].start()
        return promoters[-1]

    yield start
    for each in promoters:
        each.stop()
        assert each.join(20)


def ready(domain: Domain) -> int:
    return sum(domain.client.execute(commands.depths(domain.keys)).ready.values())


def scheduled(domain: Domain) -> int:
    return domain.client.execute(commands.depths(domain.keys)).scheduled


def test_due_jobs_of_every_domain_get_ready_with_their_priority_and_later_ones_stay(
    redis_url: str, domain: Domain, promoter: Callable[..., Promoter]
) -> None:
    other = Domain(domain.client, domain_keys(domain.keys.namespace, "fraud"))
    for each in (domain, other):
        each.accept(priority="high", delay_ms=1)
        each.accept(2, priority="low", delay_ms=30)
        each.accept(delay_ms=3_600_000)

    promoter(redis_url, domain.keys, other.keys)

    wait_until(lambda: 6 == ready(domain) + ready(other))
    depths = domain.client.execute(commands.depths(domain.keys))
    assert ({"high": 1, "normal": 0, "low": 2}, 1) == (depths.ready, depths.scheduled)


def test_a_job_scheduled_while_it_waits_wakes_it(
    redis_url: str, domain: Domain, promoter: Callable[..., Promoter]
) -> None:
    promoter(redis_url, domain.keys)
    wait_until(lambda: waiting(domain.client))

    domain.accept(delay_ms=20)

    wait_until(lambda: 1 == ready(domain))
    assert (1, 0, 0) == (ready(domain), scheduled(domain), domain.client.plain("LLEN", domain.keys.wake))


def waiting(client: Client) -> bool:
    listed: bytes = client.plain("CLIENT", "LIST")
    return any("hj:promoter" in line and "cmd=blpop" in line for line in listed.decode().splitlines())


def test_jobs_beyond_one_batch_are_all_promoted(
    redis_url: str, domain: Domain, promoter: Callable[..., Promoter]
) -> None:
    domain.accept(1_700, delay_ms=1)

    promoter(redis_url, domain.keys)

    wait_until(lambda: 1_700 == ready(domain))


def test_several_promoters_move_every_job_once(
    redis_url: str, domain: Domain, promoter: Callable[..., Promoter]
) -> None:
    for _ in range(3):
        promoter(redis_url, domain.keys)

    domain.accept(2_000, delay_ms=5)

    wait_until(lambda: 0 == scheduled(domain))
    assert 2_000 == ready(domain)


def test_with_nothing_to_do_it_asks_once_a_second_or_so(
    own_server: Server, keys: DomainKeys, promoter: Callable[..., Promoter]
) -> None:
    with Client(own_server.url) as client:
        domain = Domain(client, keys)
        domain.accept(delay_ms=3_600_000)
        promoter(own_server.url, keys)
        wait_until(lambda: waiting(client))
        from_ms, before = domain.server_ms(), calls(client)

        wait_until(lambda: domain.server_ms() > from_ms + 2_500)

        assert calls(client) - before <= 2 * ((domain.server_ms() - from_ms) / 800 + 1)


def calls(client: Client) -> int:
    """How often Redis was asked for a promotion or for a bell."""
    stats: bytes = client.plain("INFO", "commandstats")
    return sum(int(times) for times in re.findall(rb"cmdstat_(?:blpop|evalsha):calls=(\d+)", stats))


def test_it_goes_on_after_redis_was_away(
    own_server: Server, keys: DomainKeys, promoter: Callable[..., Promoter]
) -> None:
    with Client(own_server.url) as client:
        promoter(own_server.url, keys)
        wait_until(lambda: waiting(client))
        own_server.kill()
        own_server.start()

        domain = Domain(client, keys)
        domain.accept(delay_ms=1)

        wait_until(lambda: 1 == ready(domain))


def test_a_domain_whose_keys_are_spoilt_costs_the_others_nothing(
    redis_url: str, domain: Domain, promoter: Callable[..., Promoter]
) -> None:
    spoilt = domain_keys(domain.keys.namespace, "fraud")
    domain.client.plain("SET", spoilt.scheduled, "what is this")
    domain.accept(delay_ms=1)

    promoter(redis_url, spoilt, domain.keys)

    wait_until(lambda: 1 == ready(domain))


def test_domains_may_change_while_it_runs(redis_url: str, domain: Domain, promoter: Callable[..., Promoter]) -> None:
    promoting = promoter(redis_url)
    domain.accept(delay_ms=1)

    promoting.serve([domain.keys])

    wait_until(lambda: 1 == ready(domain))


def test_redis_may_end_while_the_promoter_does_without_a_word_of_it(
    fresh_server: Callable[..., Server],
    keys: DomainKeys,
    promoter: Callable[..., Promoter],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stop ends the embedded server, perhaps in the middle of the promoter's last wait."""
    server = fresh_server()
    promoting = promoter(server.url, keys)
    with Client(server.url) as looking:
        wait_until(lambda: b"blocked_clients:1" in looking.plain("INFO", "clients"))

    promoting.stop()
    server.close()

    assert promoting.join(20)
    assert [] == caplog.messages
