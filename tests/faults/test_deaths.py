"""Workers and supervisors that die, freeze, and are told to stop."""

from __future__ import annotations

import os
import signal

import pytest

from tests.faults.figures import Row
from tests.faults.host import Host
from tests.faults.ledger import Line
from tests.faults.site import Site, now_ns
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.matrix]

AT_RISK = 2
"""Jobs of 60 ms that one killed worker may repeat: the one it runs, and one that ended less than 50 ms before."""


def at_work(site: Site, host: Host) -> list[Line]:
    """Wait until workers of a host run something; what they run."""
    return wait_until(lambda: [line for line in site.ledger.running() if line.pid in host.workers()])


def recovered(site: Site, row: Row, running: list[Line], since_ns: int) -> None:
    """Wait until what ran at a fault, and was cut off by it, has been started again."""
    for line in running:
        if not any(end.pid == line.pid for end in site.ledger.of("E", line.op)):
            row.recovered(site.recovery_ms(since_ns, line.op))


@pytest.mark.row(1, "a worker is killed while it runs a job", target="≤ 2 s")
def test_jobs_of_a_killed_worker_go_on(site: Site, row: Row) -> None:
    host = site.host(count=2, max_deliveries="100")  # one job may be the victim again and again
    with site.produced.steadily(20, site.shop.work.enqueue, 60):
        for _ in range(8):
            site.staffed(host, 2)
            victim = site.chance.choice(at_work(site, host))
            at_ns = now_ns()
            os.kill(victim.pid, signal.SIGKILL)
            wait_until(lambda pid=victim.pid: pid not in host.workers())  # type: ignore[misc]  # bound at once
            recovered(site, row, [victim], at_ns)
    row.faults = 8

    site.finish(row, repeats=8 * AT_RISK)


@pytest.mark.row(2, "a supervisor is killed, and all its processes with it", target="≤ lease 2 s + 1.5 s")
def test_jobs_of_a_killed_supervisor_go_on_elsewhere(site: Site, row: Row) -> None:
    first, second = site.host(count=2, lease="2s"), site.host(count=1, lease="2s")
    with site.produced.steadily(20, site.shop.work.enqueue, 60):
        site.ended(20)
        running = at_work(site, first)
        at_ns = now_ns()
        first.tell(signal.SIGKILL)
        assert -signal.SIGKILL == first.ended()
        wait_until(lambda: not first.processes())
        row.note = f"its processes were gone after {(now_ns() - at_ns) / 1e6:.0f} ms"
        recovered(site, row, running, at_ns)
    assert second.process.poll() is None

    site.finish(row, repeats=2 * AT_RISK)


@pytest.mark.row(3, "a host is frozen for longer than its lease, and thawed", target="≤ lease 1 s + 1 s")
def test_a_host_that_was_frozen_is_fenced_and_goes_on(site: Site, row: Row) -> None:
    hosts = [site.host(count=1, lease="1s") for _ in range(2)]
    op = site.produced.enqueue(site.shop.once.enqueue, 5_000)
    held = site.started(op)
    [first] = [host for host in hosts if held.pid in host.workers()]
    at_ns = now_ns()
    for pid in first.processes():
        os.kill(pid, signal.SIGSTOP)
    row.recovered(site.recovery_ms(at_ns, op))
    for pid in first.processes():
        os.kill(pid, signal.SIGCONT)
    site.said(first, "lost its lease", "taken away")
    with site.produced.steadily(50, site.shop.work.enqueue, 10):
        wait_until(lambda: any(line.op != op for line in site.ledger.of("E") if line.pid == held.pid), 30)

    site.finish(row, repeats=1)


@pytest.mark.row(38, "a worker is woken for a job and dies before it pulls", target="≤ poll 5 s")
def test_a_job_whose_bell_was_lost_is_found(site: Site, row: Row) -> None:
    host = site.host(count=1, poll="5s")
    [frozen] = host.workers()
    waiting_for_the_bell(site, 1)
    os.kill(frozen, signal.SIGSTOP)
    site.host(count=1, poll="5s")
    waiting_for_the_bell(site, 2)
    for _ in range(2):  # whoever has waited longest is woken
        at_ns = now_ns()
        row.recovered(site.recovery_ms(at_ns, site.produced.enqueue(site.shop.work.enqueue)))
    os.kill(frozen, signal.SIGKILL)

    site.finish(row, repeats=0)


def waiting_for_the_bell(site: Site, count: int) -> None:
    def all_wait() -> bool:
        clients = site.redis.client_list()
        waiting = [c for c in clients if c["name"].startswith("hj:worker") and c["cmd"] == "blpop"]
        return len(waiting) >= count

    wait_until(all_wait)


@pytest.mark.row(44, "TERM while a job runs for longer than the grace", target="≤ grace 1 s + 1 s")
def test_a_job_that_outlives_the_grace_goes_back_uncharged(site: Site, row: Row) -> None:
    first, second = site.host(count=1, grace="1s"), site.host(count=1, grace="1s")
    long = site.produced.enqueue(site.shop.once.enqueue, 20_000)
    if site.started(long).pid in second.workers():
        first, second = second, first
    for _ in range(20):
        site.produced.enqueue(site.shop.work.enqueue, 5)

    at_ns = now_ns()
    first.tell(signal.SIGTERM)
    row.recovered(site.recovery_ms(at_ns, long))

    assert 75 == first.ended()
    assert [0, 0] == [line.deliveries for line in site.ledger.of("S", long)]
    site.finish(row, repeats=1)


@pytest.mark.row(45, "TSTP and then CONT, while the worker is deep in C")
def test_a_worker_that_was_quieted_and_resumed_in_one_breath_works(site: Site, row: Row) -> None:
    host = site.host(count=1)
    busy = site.produced.enqueue(site.shop.count.enqueue, 100_000_000)
    site.started(busy)
    host.tell(signal.SIGTSTP)
    site.said(host, "workers stop pulling")
    host.tell(signal.SIGCONT)
    site.said(host, "workers pull again")
    assert not site.ledger.of("E", busy)
    site.ended(1)
    for _ in range(3):
        site.produced.enqueue(site.shop.work.enqueue)

    site.finish(row, repeats=0)


@pytest.mark.row(45, "TERM twice, INT twice, TERM while it loads, TERM while it pulls")
@pytest.mark.parametrize(
    ("signals", "when", "codes"),
    [
        pytest.param((signal.SIGTERM, signal.SIGTERM), "at work", {0}, marks=pytest.mark.long),
        ((signal.SIGINT, signal.SIGINT), "at work", {130}),
        ((signal.SIGTERM,), "loading", {0}),
        ((signal.SIGTERM,), "pulling", {0}),
    ],
    ids=["TERM twice", "INT twice", "loading", "pulling"],
)
def test_stopping_at_any_moment_loses_nothing(
    site: Site, row: Row, signals: tuple[signal.Signals, ...], when: str, codes: set[int]
) -> None:
    if when != "pulling":
        site.produced.enqueue_many(site.shop.work.enqueue_many, 40, 100)
    host = site.host(count=2, joined=when != "loading")
    if when == "at work":
        at_work(site, host)
    elif when == "loading":
        wait_until(lambda: "loading" in host.log())
    with site.produced.steadily(200, site.shop.work.enqueue, 1):
        if when == "pulling":
            site.ended(50)
        for number in signals:
            host.tell(number)
            wait_until(lambda: "stopping" in host.log() or host.process.poll() is not None)
        assert host.ended() in codes

    site.host(count=2)
    site.finish(row, repeats=2 if 130 in codes else 0)
