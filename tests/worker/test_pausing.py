"""A pause reaches workers: what they hold unstarted goes back in order, and what is not paused stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from heijunka import Heijunka, commands
from heijunka.broker.client import Client
from heijunka.keys import PRIORITIES
from heijunka.worker import fetcher
from tests.fixtures.domain import Domain
from tests.fixtures.waiting import wait_until
from tests.worker.hands import Hands


@pytest.fixture
def app(redis_url: str, namespace: str) -> Iterator[Heijunka]:
    app = Heijunka("shop", redis_url=redis_url, namespace=namespace)
    yield app
    app.close()


@pytest.fixture
def payment(app: Heijunka) -> Domain:
    return Domain(app.connections.client, app.keys("payment"))


@pytest.fixture
def hands(redis_url: str, payment: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    """A worker that never takes a long job for a reason to give others back."""
    monkeypatch.setattr(fetcher, "STUCK_S", 1_000.0)
    hands = Hands(redis_url, payment.keys, tmp_path)
    yield hands
    hands.leave()


def waiting(payment: Domain, priority: str) -> int:
    depths = payment.client.execute(commands.depths(payment.keys))
    return {str(each): count for each, count in depths.ready.items()}[priority]


def test_what_is_unstarted_goes_back_in_order_and_uncharged_and_the_rest_stays(
    app: Heijunka, payment: Domain, hands: Hands
) -> None:
    normal, low = payment.accept(4), payment.accept(3, priority="low")
    wait_until(lambda: len(hands.inbox) == 7)
    running = hands.inbox.next()
    assert running is not None

    app.control.queues.pause("normal.payment")

    wait_until(lambda: waiting(payment, "normal") == 3)
    wait_until(lambda: len(hands.inbox) == 3)
    assert 4 == len(hands.settler.held)
    hands.settler.put(running, commands.ack(running))
    hands.finish()
    assert [payment.blob(job) for job in low] == hands.done
    app.control.queues.resume("payment")
    wait_until(lambda: len(hands.inbox) == 3)
    assert [0, 0, 0] == [entry.deliveries for entry in hands.settler.held.values()]
    hands.finish()
    assert [payment.blob(job) for job in normal[1:]] == hands.done[3:]


def test_a_worker_that_waits_for_the_bell_is_woken_by_a_resume(app: Heijunka, payment: Domain, hands: Hands) -> None:
    app.control.queues.pause("payment")
    jobs = [job for priority in PRIORITIES for job in payment.accept(1, priority=priority)]
    assert 0 == len(hands.inbox)

    app.control.queues.resume("payment")

    wait_until(lambda: len(hands.inbox) == 3)
    hands.finish()
    assert [payment.blob(job) for job in jobs] == hands.done


def test_a_worker_that_is_quiet_gives_back_too(app: Heijunka, payment: Domain, hands: Hands) -> None:
    payment.accept(2)
    wait_until(lambda: len(hands.inbox) == 2)
    hands.fetcher.quiet()

    app.control.queues.pause("payment")

    wait_until(lambda: waiting(payment, "normal") == 2)
    assert 0 == len(hands.inbox)


def test_without_a_pause_a_worker_gives_nothing_back(redis_url: str, payment: Domain, hands: Hands) -> None:
    """It asks again and again meanwhile: what it asks is counted by Redis."""
    payment.accept(2)
    wait_until(lambda: len(hands.inbox) == 2)

    asked = asks(redis_url)
    wait_until(lambda: asks(redis_url) >= asked + 3)

    assert (2, 0) == (len(hands.inbox), waiting(payment, "normal"))


def asks(url: str) -> int:
    """How often HGET was called, on the whole server."""
    with Client(url) as client:
        said: bytes = client.plain("INFO", "commandstats")
    line = next((line for line in said.decode().splitlines() if line.startswith("cmdstat_hget:")), "calls=0,")
    return int(line.partition("calls=")[2].partition(",")[0])
