"""Tasks that crash, hang, litter, take everything, or are no tasks at all."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import msgspec
import pytest

from heijunka import wire
from heijunka.commands import Depths
from tests.faults import processes
from tests.faults.figures import Row
from tests.faults.shop import NewerShop
from tests.faults.site import Site, now_ns
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.matrix]

MAX_DELIVERIES = 3


def reasons(site: Site) -> list[str]:
    return [fields[b"r"].decode() for _, fields in site.redis.xrange(site.keys.dead)]


@pytest.mark.row(39, "tasks crash their process every time: SIGSEGV, os._exit")
def test_a_poisonous_job_is_buried_after_three_runs_and_takes_nobody_with_it(site: Site, row: Row) -> None:
    host = site.host(count=2)
    with site.produced.steadily(50, site.shop.work.enqueue, 5):
        poison = [site.produced.enqueue(site.shop.segfault.enqueue), site.produced.enqueue(site.shop.exit_now.enqueue)]
        wait_until(lambda: len(reasons(site)) == len(poison), 30)
    row.faults = len(poison) * MAX_DELIVERIES

    books = site.finish(row, repeats=row.faults * 2)
    assert ["poison"] * 2 == reasons(site)
    assert set(poison) == set(books.dead)
    assert [MAX_DELIVERIES] * 2 == [books.started[op] for op in poison]
    assert "SIGSEGV" in host.log()


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.row(
    40, "a task takes all of its host's processes with it, supervisor included", target="≤ lease 1 s + start"
)
def test_a_job_that_kills_its_whole_host_is_buried_after_three_runs(site: Site, row: Row) -> None:
    poison = site.produced.enqueue(site.shop.work.enqueue, 60_000)
    site.produced.enqueue_many(site.shop.work.enqueue_many, 20, 5)
    at_ns = 0
    for run in range(MAX_DELIVERIES):
        host = site.host(count=1, lease="1s", joined=False)
        site.started(poison, times=run + 1)
        if at_ns:
            row.recovered(site.recovery_ms(at_ns, poison))
        at_ns = now_ns()
        for pid in host.processes():  # as memory.oom.group does
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        host.ended()
    site.host(count=1, lease="1s")
    row.faults = MAX_DELIVERIES

    books = site.finish(row, repeats=MAX_DELIVERIES - 1)
    assert (["poison"], {poison: 1}) == (reasons(site), dict(books.dead))
    assert books.started[poison] == MAX_DELIVERIES


@pytest.mark.long
@pytest.mark.row(
    41, "a task ignores TERM and keeps the interpreter in C for longer than its timeout of 1 s", target="≤ 2 s"
)
def test_a_task_that_holds_the_interpreter_is_killed_in_time(site: Site, row: Row) -> None:
    host = site.host(count=1, lease="1s")
    site.host(count=1, lease="1s")
    site.produced.enqueue_many(site.shop.work.enqueue_many, 10, 60)
    stubborn = site.produced.enqueue(site.shop.hold_gil.enqueue, 30)
    line = site.started(stubborn)
    wait_until(lambda: not Path(f"/proc/{line.pid}").exists(), 30)
    row.recovered((now_ns() - line.at_ns) / 1e6)

    books = site.finish(row, repeats=1)  # the job before it may not have been settled when the interpreter was taken
    assert (["timeout"], 1) == (reasons(site), books.started[stubborn])
    assert "lost its lease" not in host.log()


@pytest.mark.long
@pytest.mark.row(42, "tasks leave children behind, one in a session of its own")
def test_children_of_tasks_do_not_outlive_their_worker(site: Site, row: Row) -> None:
    host = site.host(count=1)
    site.produced.enqueue(site.shop.family.enqueue, 0)
    site.ended(1)
    assert any("sleep" in processes.command(pid) for pid in host.processes())
    site.produced.enqueue(site.shop.family.enqueue, 60_000)
    line = site.started(times=2)
    os.kill(line.pid, signal.SIGKILL)
    again = site.started(line.op, times=2)
    os.kill(again.pid, signal.SIGKILL)
    third = site.started(line.op, times=3)
    os.kill(third.pid, signal.SIGKILL)
    row.faults = 3

    site.finish(row, repeats=3)  # the first one may not have been settled at the first kill
    row.note = "no process is left"


@pytest.mark.row(
    47, "what is in the queue is no job: noise, too deep, too large, hostile names, fields that are missing"
)
def test_what_is_no_job_is_buried_and_the_worker_lives(site: Site, row: Row) -> None:
    host = site.host(count=1, park_ttl="0s")
    before = host.workers()
    hostile = [
        {"j": b""},
        {"j": b"noise"},
        {"j": site.chance.randbytes(300)},
        {"j": b"\x91" * 200_000},
        {"j": b"\xc7" + b"\xff" * 40},
        {"j": blob("\x1b]0;owned\x07\x1b[2J\nFORGED")},
        {"j": blob("os.system")},
        {"j": blob("__import__")},
        {"j": blob("x" * 100_000)},
        {"j": blob("work", msgspec.msgpack.encode([["not a number"], {}]))},
        {"j": blob("work", msgspec.msgpack.encode([[float("nan"), float("inf")], {}]))},
        {"j": blob("work", b"\xdd\xff\xff\xff\xff")},
        {"x": b"no job at all"},
        {"j": b"noise", "d": b"many", "p": b"?"},
        {"x": b"no", "y": b"job"},
    ]
    for fields in hostile:
        site.redis.xadd(site.keys.ready[1], fields)
        site.produced.enqueue(site.shop.work.enqueue)
    site.ended(len(hostile))
    wait_until(lambda: len(reasons(site)) == len(hostile), 30)
    row.faults = len(hostile)

    assert before == host.workers(), host.log()
    assert {"undecodable", "unknown task"} == set(reasons(site))
    assert "\x1b" not in host.log()
    assert not any(line.startswith("FORGED") for line in host.log().splitlines())
    site.finish(row, repeats=0, but=("I3",))  # what nobody enqueued is not counted as such


def blob(task: str, args: bytes = bytes(wire.NOTHING)) -> bytes:
    return wire.encode_job(wire.Job(wire.FORMAT, wire.new_id(), task, msgspec.Raw(args)))


@pytest.mark.row(
    46, "jobs of a task that only newer workers know, while old ones are there too", target="≤ 1 s after they joined"
)
def test_a_job_waits_for_workers_that_know_its_task(site: Site, row: Row) -> None:
    old = site.host(count=1)
    newer = NewerShop(site.opened(site.server.url).app)
    ops = [site.produced.enqueue(newer.future.enqueue) for _ in range(20)]
    with site.produced.steadily(50, site.shop.work.enqueue, 5):
        site.ended(20)
        wait_until(lambda: site.redis.zcard(site.keys.scheduled) > 0)
        site.host(count=1, app="tests.faults.shop:newer")
        at_ns = now_ns()
        old.tell(signal.SIGTERM)
        assert 0 == old.ended()
        for op in ops:
            row.recovered(max(0.0, (site.started(op).at_ns - at_ns) / 1e6))
    row.faults = len(ops)

    site.finish(row, repeats=0)
    assert [] == reasons(site)


@pytest.mark.row(48, "a poisonous dead letter is tried again")
def test_a_poisonous_letter_that_is_retried_is_buried_again(site: Site, row: Row) -> None:
    site.host(count=1)
    poison = site.produced.enqueue(site.shop.segfault.enqueue)
    dead = site.shop.app.control.dead
    for _ in range(2):
        wait_until(lambda: len(reasons(site)) == 1, 30)
        dead.retry("payment")
        wait_until(lambda: not reasons(site) or len(site.ledger.of("S", poison)) % MAX_DELIVERIES, 30)
    row.faults = 2

    wait_until(lambda: site.depths().load == 0, 30)
    books = site.finish(row, repeats=3 * MAX_DELIVERIES)
    assert (["poison"], 3 * MAX_DELIVERIES) == (reasons(site), books.started[poison])
    assert books_of(site.depths()) == {"revived": 2, "buried": 3, "enqueued": 1}


def books_of(depths: Depths) -> dict[str, int]:
    return {name: depths.counted(name) for name in ("revived", "buried", "enqueued")}


@pytest.mark.row(52, "a task leaves its process no file descriptor while Redis closes every connection", target="≤ 2 s")
def test_a_process_without_descriptors_recovers(site: Site, row: Row) -> None:
    site.host(count=1)
    hoarder = site.produced.enqueue(site.shop.hoard.enqueue, 1_500)
    line = site.started(hoarder)
    wait_until(lambda: processes.descriptors(line.pid) >= 256)
    site.redis.client_kill_filter(_type="normal", skipme=True)
    site.produced.enqueue_many(site.shop.work.enqueue_many, 20, 1)
    site.ended(1)
    row.recovered(site.recovery_ms(now_ns()))

    site.finish(row, repeats=0)
