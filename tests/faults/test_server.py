"""A Redis that dies, goes away, freezes, is busy, full, emptied or spoilt."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import redis

from heijunka.errors import RedisCannotPersist, RedisFull, WrongKeyType
from tests.faults.conftest import OpenSite
from tests.faults.figures import Row
from tests.faults.host import Host, in_environment
from tests.faults.site import DRAIN_S, Site, now_ns
from tests.fixtures.snapshot import Snapshot, snapshot
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.matrix]

DURABLE = {"appendonly": "yes", "appendfsync": "everysec"}


@contextlib.contextmanager
def again_and_again(do: Callable[[], object], every_s: float) -> Iterator[list[int]]:
    """Do something all the time while the block runs; tells how often it was done."""
    over, times = threading.Event(), [0]

    def run() -> None:
        while not over.wait(every_s):
            do()
            times[0] += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def lines_per_s(host: Host, before: int, seconds: float) -> float:
    return (len(host.log().splitlines()) - before) / seconds


@pytest.mark.parametrize("fsync", ["everysec", pytest.param("always", marks=pytest.mark.long)])
@pytest.mark.row(11, "Redis is killed and started again, with an append-only file", target="≤ 2 s after it answers")
def test_workers_go_on_after_each_restart_of_redis(open_site: OpenSite, row: Row, fsync: str) -> None:
    site = open_site(appendonly="yes", appendfsync=fsync)
    host = site.host(count=2)
    with site.produced.steadily(100, site.shop.work.enqueue, 5):
        for _ in range(10):
            workers = host.workers()
            site.server.kill()
            site.server.start()
            at_ns = now_ns()
            for pid in workers:  # each of them pulls again
                wait_until(lambda pid=pid, at=at_ns: [x for x in site.ledger.of("S", after_ns=at) if x.pid == pid], 30)  # type: ignore[misc]  # bound at once
            row.recovered(max(first_of(site, pid, at_ns) for pid in workers))
    row.faults = 10

    site.finish(row, repeats=0)


def first_of(site: Site, pid: int, since_ns: int) -> float:
    """Milliseconds until a process started its next job."""
    return (next(x.at_ns for x in site.ledger.of("S", after_ns=since_ns) if x.pid == pid) - since_ns) / 1e6


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.row(12, "Redis is away for ten leases, while jobs run for longer than that", target="≤ 2 s")
def test_an_outage_of_many_leases_repeats_nothing(open_site: OpenSite, row: Row) -> None:
    site = open_site(**DURABLE)
    site.host(count=2, lease="1s")
    site.host(count=1, lease="1s")
    long = [site.produced.enqueue(site.shop.work.enqueue, 14_000) for _ in range(2)]
    for op in long:
        site.started(op)
    with site.produced.steadily(10, site.shop.work.enqueue, 20):
        site.ended(10)
        site.server.stop()
        threading.Event().wait(10)  # ten leases: the length is the fault
        site.server.start()
        row.recovered(site.recovery_ms(now_ns()))

    site.finish(row, repeats=0)


@pytest.mark.long
@pytest.mark.row(13, "Redis is frozen for 5 s", target="≤ 2 s")
def test_a_frozen_redis_is_waited_for(site: Site, row: Row) -> None:
    host = site.host(count=2, redis_timeout="1s")
    shop = site.opened(site.server.url, redis_timeout="1s")
    with site.produced.steadily(50, shop.work.enqueue, 5):
        site.ended(50)
        said = len(host.log().splitlines())
        site.server.freeze()
        threading.Event().wait(5)  # the length is the fault
        row.note = f"{lines_per_s(host, said, 5):.1f} log lines a second"
        site.server.thaw()
        row.recovered(site.recovery_ms(now_ns()))
        site.ended(100)

    site.finish(row, repeats=0)


@pytest.mark.long
@pytest.mark.row(14, "somebody's endless script blocks Redis for 3 s (BUSY)", target="≤ 2 s")
def test_a_busy_redis_is_waited_for(open_site: OpenSite, row: Row) -> None:
    site = open_site(**{"busy-reply-threshold": "50"})
    host = site.host(count=2)
    with site.produced.steadily(50, site.shop.work.enqueue, 5), site.server.driver() as other:
        site.ended(50)
        said = len(host.log().splitlines())
        blocking = threading.Thread(target=endless, args=(other,))
        blocking.start()
        threading.Event().wait(3)  # the length is the fault
        row.note = f"{lines_per_s(host, said, 3):.1f} log lines a second"
        site.redis.script_kill()
        blocking.join()
        row.recovered(site.recovery_ms(now_ns()))
        site.ended(100)
    assert [] == site.produced.errors

    site.finish(row, repeats=0)


def endless(driver: redis.Redis) -> None:
    with contextlib.suppress(redis.ResponseError):
        driver.eval("while true do end", 0)


@pytest.mark.parametrize(
    ("command", "row_number"),
    [
        pytest.param("SCRIPT FLUSH", 15, marks=pytest.mark.row(15, "SCRIPT FLUSH every 50 ms")),
        pytest.param("FUNCTION FLUSH", 16, marks=[pytest.mark.long, pytest.mark.row(16, "FUNCTION FLUSH every 50 ms")]),
    ],
    ids=["scripts", "functions"],
)
def test_scripts_that_are_flushed_are_loaded_again(site: Site, row: Row, command: str, row_number: int) -> None:
    site.host(count=2)
    with (
        again_and_again(lambda: site.redis.execute_command(*command.split()), 0.05) as times,
        site.produced.steadily(100, site.shop.work.enqueue, 5, threads=2),
    ):
        site.ended(400)
    row.faults = times[0]
    assert row.faults > 5
    assert [] == site.produced.errors

    site.finish(row, repeats=0)


@pytest.mark.row(18, "maxmemory is reached")
def test_a_full_redis_refuses_jobs_and_drains(site: Site, row: Row) -> None:
    host = site.host(count=2)
    site.produced.enqueue_many(site.shop.work.enqueue_many, 500, 2)
    site.redis.config_set("maxmemory", 1)
    with pytest.raises(RedisFull):
        site.shop.work.enqueue(0)
    for _ in range(20):
        site.produced.enqueue(site.shop.fail.enqueue, 1)
    assert 20 == len(site.produced.refused)
    site.ended(500)
    wait_until(lambda: site.depths().load == 0)
    assert "lost its lease" not in host.log()
    site.redis.config_set("maxmemory", 0)
    site.produced.enqueue(site.shop.work.enqueue)

    site.finish(row, repeats=0)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.row(19, "maxmemory-policy becomes an evicting one while workers run", target="≤ 60 s until they stop")
def test_workers_stop_pulling_where_jobs_may_be_evicted(site: Site, row: Row) -> None:
    host = site.host(count=2)
    with site.produced.steadily(50, site.shop.work.enqueue):
        site.ended(50)
        at_ns = now_ns()
        site.redis.config_set("maxmemory-policy", "allkeys-lru")
        wait_until(lambda: "workers stop pulling: maxmemory-policy is allkeys-lru" in host.log(), 150)
        row.note = f"they stopped after {(now_ns() - at_ns) / 1e9:.0f} s; no others started; `heijunka doctor` said why"
        wait_until(lambda: site.depths().load > 300, DRAIN_S)  # what comes is not pulled any more
        still_ns = now_ns()
    assert 69 == site.host(count=1, joined=False).ended()
    said = heijunka("doctor", "--redis-url", site.server.url)
    assert (1, 1) == (said.returncode, said.stdout.count("maxmemory-policy is allkeys-lru"))
    assert [] == site.ledger.of("S", after_ns=still_ns)

    site.redis.config_set("maxmemory-policy", "noeviction")
    site.host(count=1)  # the others go on when they look again
    site.finish(row, repeats=0)


def heijunka(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line, as a user has it."""
    command = [sys.executable, "-m", "heijunka_cli", *words]
    return subprocess.run(command, env=in_environment({}), capture_output=True, text=True, check=False)


@pytest.mark.row(20, "the disk is full (MISCONF)", target="≤ 2 s after there is space")
def test_a_full_disk_refuses_jobs_and_repeats_none_that_ran(open_site: OpenSite, row: Row) -> None:
    site = open_site(popen={"restore_signals": False}, **DURABLE)  # SIGXFSZ stays ignored, as Python has it
    site.host(count=2)
    site.produced.enqueue_many(site.shop.work.enqueue_many, 20, 200)
    site.ended(4)
    pid, space = site.server.pid, resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, space))
    wait_until(lambda: site.produced.enqueue(site.shop.work.enqueue) in site.produced.refused, 30)
    with pytest.raises(RedisCannotPersist):
        site.shop.work.enqueue(0)
    finished = len(site.ledger.of("E"))
    site.ended(finished + 1)  # what runs comes to its end, and is settled when there is space
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (space, space))
    at_ns = now_ns()
    wait_until(lambda: site.produced.enqueue(site.shop.work.enqueue) in site.produced.accepted, 30)
    row.recovered(site.recovery_ms(at_ns))

    site.finish(row, repeats=0)


@pytest.mark.row(21, "Redis is killed and the end of its AOF is cut off")
def test_a_truncated_file_loses_its_end_and_no_more(open_site: OpenSite, row: Row) -> None:
    site = open_site(**DURABLE)
    for _ in range(200):
        site.produced.enqueue(site.shop.work.enqueue)
    site.server.kill()
    [file] = site.server.directory.glob("appendonlydir/*.incr.aof")
    with file.open("r+b") as cut:
        cut.truncate(file.stat().st_size - 37)
    site.server.start()
    last = site.produced.accepted.pop()  # its call is the one that was cut; nothing else may be gone
    site.produced.unknown.append(last)

    site.host(count=2)
    books = site.finish(row, repeats=0)
    row.note = f"the cut call is {'gone' if last not in books.recovered else 'there'}, as it may be"


@pytest.mark.row(22, "FLUSHALL while jobs run", target="≤ 2 s")
def test_an_emptied_redis_is_served_at_once(site: Site, row: Row) -> None:
    host = site.host(count=2)
    with site.produced.steadily(100, site.shop.work.enqueue, 20):
        for count in range(3):
            site.ended(50 * (count + 1))
            site.redis.flushall()
            site.produced.forget()
            op = site.produced.enqueue(site.shop.work.enqueue)
            row.recovered(site.recovery_ms(now_ns(), op))
    row.faults = 3
    row.note = "jobs from before may be gone; all later ones are done"
    assert host.process.poll() is None

    site.finish(row, repeats=0)


@pytest.mark.parametrize(
    "spoilt", ["ready", *(pytest.param(key, marks=pytest.mark.long) for key in ("scheduled", "stats", "bell"))]
)
@pytest.mark.row(23, "a key of another type stands where a stream, set, hash or list should")
def test_a_foreign_key_is_an_error_and_nothing_is_half_done(site: Site, row: Row, spoilt: str) -> None:
    host = site.host(count=1)
    site.produced.enqueue(site.shop.work.enqueue)
    site.drain()
    key = site.keys.ready[1] if spoilt == "ready" else getattr(site.keys, spoilt)
    kept = site.redis.dump(key)
    site.redis.set(key, "somebody else's")
    send = site.shop.work.options(delay=60).enqueue if spoilt == "scheduled" else site.shop.work.enqueue
    before = lasting(site)
    with pytest.raises(WrongKeyType):
        send(0)
    assert before == lasting(site)
    assert site.produced.enqueue(send) in site.produced.refused

    site.redis.delete(key)
    if kept is not None:
        site.redis.restore(key, 0, kept)
    op = site.produced.enqueue(site.shop.work.enqueue)
    site.started(op)
    assert host.process.poll() is None
    site.finish(row, repeats=0)


def lasting(site: Site) -> Snapshot:
    """What the domain holds, apart from leases and sessions, which go on meanwhile."""
    return snapshot(site.redis, site.keys).but(workers={}, sessions=(), wake=0)
