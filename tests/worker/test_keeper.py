"""The keeper: leases of the living, jobs of the dead."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds, wall_ms
from heijunka.commands import Entry
from heijunka.keys import DomainKeys, domain_keys
from heijunka.wire import Failure, decode_end
from heijunka.worker import crash
from heijunka.worker.board import Running
from heijunka.worker.crash import Death
from heijunka.worker.keeper import Keeper, Terms
from tests.fixtures.domain import Domain
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until

LEASE_MS = 600


@pytest.fixture
def domain(client: Client, keys: DomainKeys) -> Domain:
    return Domain(client, keys)


@pytest.fixture
def buried() -> list[str]:
    """The workers of which nothing is left."""
    return []


@pytest.fixture
def keeper(namespace: str, buried: list[str]) -> Iterator[Callable[..., Keeper]]:
    keepers: list[Keeper] = []

    def start(url: str, *, lease_ms: int = LEASE_MS, domains: tuple[str, ...] = ("payment",)) -> Keeper:
        terms = Terms(namespace, lease_ms, max_deliveries=2, keep_failure_ms=60_000)
        channel = Client(url, role="keeper", timeout_s=0.2).channel()
        keepers.append(Keeper(channel, terms, domains, buried=buried.append))
        keepers[-1].start()
        return keepers[-1]

    yield start
    for each in keepers:
        each.stop()
        assert each.join(20)


def seen(worker: str, *running: Entry, domain: str = "payment") -> Death:
    attempts = [Running(0, entry.source, entry.id, bytes(16), 0, 0) for entry in running]
    return crash.of(domain, worker, -9, running=attempts, killed_for=None, now_ns=0)


def expiry(client: Client, keys: DomainKeys, worker: str) -> int:
    score = client.plain("ZSCORE", keys.workers, worker)
    return 0 if score is None else int(score)


def counters(domain: Domain) -> dict[str, int]:
    counted = domain.client.execute(commands.depths(domain.keys)).counters
    return {name: counted.get(name, 0) for name in ("returned", "charged", "buried")}


# -- the living -------------------------------------------------------------------------------------


def test_the_workers_on_the_roster_keep_their_leases_and_others_do_not(
    redis_url: str, client: Client, domain: Domain, keeper: Callable[..., Keeper]
) -> None:
    fraud = domain_keys(domain.keys.namespace, "fraud")
    for keys in (domain.keys, fraud):
        client.execute(commands.join(keys, "w1", ttl=Milliseconds(LEASE_MS)))
    client.execute(commands.join(domain.keys, "w2", ttl=Milliseconds(LEASE_MS)))
    before = {keys.domain: expiry(client, keys, "w1") for keys in (domain.keys, fraud)}
    stranger = expiry(client, domain.keys, "w2")

    keeping = keeper(redis_url, domains=("payment", "fraud"))
    keeping.roster = {"payment": ("w1",), "fraud": ("w1",)}

    for keys in (domain.keys, fraud):
        wait_until(lambda keys=keys: expiry(client, keys, "w1") > before[keys.domain] + 2 * LEASE_MS)  # type: ignore[misc]
    assert expiry(client, domain.keys, "w2") in (stranger, 0)
    assert not keeping.is_cut_off()


def test_a_worker_that_never_joined_is_not_registered_by_a_renewal(
    redis_url: str, client: Client, domain: Domain, keeper: Callable[..., Keeper]
) -> None:
    client.execute(commands.join(domain.keys, "w1", ttl=Milliseconds(LEASE_MS)))
    before = expiry(client, domain.keys, "w1")

    keeper(redis_url).roster = {"payment": ("w0", "w1")}

    wait_until(lambda: expiry(client, domain.keys, "w1") > before)
    assert 0 == expiry(client, domain.keys, "w0")


def test_it_knows_that_it_is_cut_off_and_that_it_is_no_more(own_server: Server, keeper: Callable[..., Keeper]) -> None:
    keeping = keeper(own_server.url)
    own_server.freeze()

    wait_until(keeping.is_cut_off)
    own_server.thaw()

    wait_until(lambda: not keeping.is_cut_off())


# -- deaths that were seen --------------------------------------------------------------------------


def test_a_seen_death_gives_back_what_had_started_charged_and_the_rest_as_it_was(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper], buried: list[str]
) -> None:
    domain.accept(5)
    held = domain.pull(5)

    keeper(redis_url, lease_ms=15_000).bury(seen("worker-1", held[0]))

    wait_until(lambda: buried)
    depths = domain.client.execute(commands.depths(domain.keys))
    assert {"returned": 4, "charged": 1, "buried": 0} == counters(domain)
    assert (4, 1, 0, 0) == (depths.ready["normal"], depths.suspects, depths.running, depths.workers)
    assert ["worker-1"] == buried


def test_more_jobs_than_one_call_takes_back_are_all_given_back(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper], buried: list[str]
) -> None:
    domain.accept(350)
    domain.pull(350)

    keeper(redis_url).bury(seen("worker-1"))

    wait_until(lambda: buried)
    assert {"returned": 350, "charged": 0, "buried": 0} == counters(domain)


def test_a_job_whose_worker_died_too_often_is_dead_lettered_with_how_it_died(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper], buried: list[str]
) -> None:
    domain.accept(1)
    keeping = keeper(redis_url)
    keeping.bury(seen("worker-1", *domain.pull(1, alone=True)))
    wait_until(lambda: buried)

    keeping.bury(seen("worker-2", *domain.pull(1, worker="worker-2", alone=True)))

    wait_until(lambda: len(buried) == 2)
    [(_, fields)] = domain.client.plain("XRANGE", domain.keys.dead, "-", "+")
    failure = decode_end(dict(zip(fields[::2], fields[1::2], strict=True))[b"f"])
    assert isinstance(failure, Failure)
    assert ("poison", "worker-2") == (failure.reason, failure.worker)
    assert "worker-2 was killed by SIGKILL while it ran this job" == failure.message


def test_a_death_is_reported_until_redis_has_heard_it(
    own_server: Server, keys: DomainKeys, keeper: Callable[..., Keeper], buried: list[str]
) -> None:
    with Client(own_server.url) as client:
        domain = Domain(client, keys)
        domain.accept(2)
        held = domain.pull(2)
        keeping = keeper(own_server.url)
        own_server.freeze()
        keeping.bury(seen("worker-1", held[0]))
        wait_until(keeping.is_cut_off)
        assert [] == buried

        own_server.thaw()

        wait_until(lambda: buried)
        assert {"returned": 1, "charged": 1, "buried": 0} == counters(domain)


def test_a_death_of_a_worker_that_left_in_order_changes_nothing(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper], buried: list[str]
) -> None:
    keeper(redis_url).bury(crash.of("payment", "w9", 0, running=[], killed_for=None, now_ns=0))

    wait_until(lambda: buried)
    assert {"returned": 0, "charged": 0, "buried": 0} == counters(domain)


# -- leases that are over ---------------------------------------------------------------------------


def test_a_lost_worker_is_recovered_a_full_lease_after_the_start_and_not_before(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper]
) -> None:
    domain.accept(3)
    domain.pull(3)
    domain.join(ttl_ms=1)
    started_ms = domain.server_ms()

    keeper(redis_url)

    wait_until(lambda: counters(domain)["charged"] == 3)
    [(entry, _)] = domain.client.plain("XRANGE", domain.keys.suspects, "-", "+", "COUNT", 1)
    assert int(entry.split(b"-")[0]) >= started_ms + LEASE_MS - 1


def test_a_lost_worker_is_not_recovered_while_redis_has_just_been_out_of_touch(
    own_server: Server, keys: DomainKeys, keeper: Callable[..., Keeper]
) -> None:
    with Client(own_server.url) as client:
        domain = Domain(client, keys)
        domain.accept(1)
        domain.pull(1)
        keeping = keeper(own_server.url)
        own_server.freeze()
        wait_until(keeping.is_cut_off)
        back_ms = wall_ms()  # the server has the same clock
        own_server.thaw()
        domain.join(ttl_ms=1)

        wait_until(lambda: counters(domain)["charged"] == 1)

        [(entry, _)] = client.plain("XRANGE", keys.suspects, "-", "+")
        assert int(entry.split(b"-")[0]) >= back_ms + LEASE_MS - 1


def test_its_own_workers_are_never_taken_to_be_lost(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper]
) -> None:
    domain.accept(2)
    mine, lost = domain.pull(1, worker="mine"), domain.pull(1, worker="lost")
    keeper(redis_url).roster = {"payment": ("mine",)}

    domain.join("lost", ttl_ms=1)

    wait_until(lambda: counters(domain)["charged"] == 1)
    still = domain.client.execute(commands.held(domain.keys, "mine", count=10))
    assert mine == still.entries  # type: ignore[union-attr]
    assert lost


def test_lost_workers_of_domains_that_are_not_served_are_left_alone(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper]
) -> None:
    other = Domain(domain.client, domain_keys(domain.keys.namespace, "fraud"))
    for each in (other, domain):
        each.accept(1)
        each.pull(1)
        each.join(ttl_ms=1)

    keeper(redis_url)

    wait_until(lambda: counters(domain)["charged"] == 1)
    assert 0 == counters(other)["charged"]


# -- trouble ----------------------------------------------------------------------------------------


def test_a_domain_whose_keys_are_spoilt_costs_the_others_nothing(
    redis_url: str, domain: Domain, keeper: Callable[..., Keeper], buried: list[str]
) -> None:
    spoilt = domain_keys(domain.keys.namespace, "fraud")
    domain.client.plain("SET", spoilt.workers, "what is this")
    domain.accept(1)
    held = domain.pull(1)
    domain.join("w2", ttl_ms=LEASE_MS)
    before = expiry(domain.client, domain.keys, "w2")

    keeping = keeper(redis_url, domains=("fraud", "payment"))
    keeping.roster = {"fraud": ("w1",), "payment": ("w2",)}
    keeping.bury(seen("w0", domain="fraud"))
    keeping.bury(seen("worker-1", held[0]))

    wait_until(lambda: ["worker-1"] == buried)
    wait_until(lambda: expiry(domain.client, domain.keys, "w2") > before + LEASE_MS)
    assert not keeping.is_cut_off()
    domain.client.plain("DEL", spoilt.workers)
    wait_until(lambda: ["worker-1", "w0"] == buried)


def test_it_does_its_work_for_a_user_who_may_not_ask_for_info(
    own_server: Server, keys: DomainKeys, keeper: Callable[..., Keeper], caplog: pytest.LogCaptureFixture
) -> None:
    with Client(own_server.url) as client:
        client.plain("ACL", "SETUSER", "kept", "on", ">secret", "~*", "&*", "+@all", "-info")
        domain = Domain(client, keys)
        domain.accept(1)
        domain.pull(1)
        domain.join(ttl_ms=1)

        keeper(own_server.url.replace("unix://", "unix://kept:secret@"))

        wait_until(lambda: counters(domain)["charged"] == 1)
        assert 1 == sum("restarts are noticed" in message for message in caplog.messages)


def test_an_outage_is_told_at_its_begin_and_at_its_end(
    own_server: Server, keeper: Callable[..., Keeper], caplog: pytest.LogCaptureFixture
) -> None:
    keeping = keeper(own_server.url)
    own_server.kill()
    wait_until(keeping.is_cut_off)
    own_server.start()

    wait_until(lambda: any("answers again" in message for message in caplog.messages))

    told = [message for message in caplog.messages if message.startswith("keeper: Redis")]
    assert "cannot be reached" in told[0] or "broke off before it answered" in told[0]
    assert told[-1].startswith("keeper: Redis answers again after")
