"""A pause reaches workers: what they hold unstarted goes back in order, and what is not paused stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from heijunka import Heijunka, commands
from heijunka.keys import PRIORITIES
from heijunka.worker import fetcher
from heijunka.worker.fetcher import NO_BOUND
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
    hands.fetcher.look_for_pauses(hands.client)

    wait_until(lambda: waiting(payment, "normal") == 3)
    wait_until(lambda: (len(hands.inbox), len(hands.settler.held)) == (3, 4))
    hands.settler.put(running, commands.ack(running))
    hands.finish()
    assert [payment.blob(job) for job in low] == hands.done
    app.control.queues.resume("payment")
    wait_until(lambda: len(hands.inbox) == 3)
    assert not any(entry.deliveries for entry in hands.settler.held.values())
    hands.finish()
    assert [payment.blob(job) for job in normal[1:]] == hands.done[3:]


def test_what_goes_back_is_not_counted_among_the_jobs_that_a_worker_may_run(
    app: Heijunka, payment: Domain, hands: Hands
) -> None:
    payment.accept(4)
    wait_until(lambda: len(hands.inbox) == 4)
    app.control.queues.pause("payment")

    hands.fetcher.look_for_pauses(hands.client)

    assert (0, NO_BOUND) == (len(hands.inbox), hands.fetcher.left)


def test_an_idle_worker_of_a_paused_domain_is_woken_by_a_resume(app: Heijunka, payment: Domain, hands: Hands) -> None:
    app.control.queues.pause("payment")
    jobs = [job for priority in PRIORITIES for job in payment.accept(1, priority=priority)]
    assert 0 == len(hands.inbox)

    app.control.queues.resume("payment")

    wait_until(lambda: len(hands.inbox) == 3)
    hands.finish()
    assert [payment.blob(job) for job in jobs] == hands.done
