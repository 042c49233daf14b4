"""Workers that have served long enough make room for others, and no job notices."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from heijunka.worker.recycling import LOOK_EVERY_S, Waistline, resident_bytes
from tests.fixtures.waiting import wait_until
from tests.worker import stage
from tests.worker.company import PATIENCE_S, Company

UNTOUCHED = {"charged": 0, "release": 0, "returned": 0, "retry": 0}


def counted(company: Company, domain: str) -> dict[str, int]:
    depths = company.depths(domain)
    return {name: depths.counted(name) for name in UNTOUCHED}


@pytest.mark.parametrize(("domain", "slots"), [("sync", 1), ("sync", 3), ("loop", 3)])
def test_a_worker_runs_as_many_jobs_as_it_may_and_not_one_more(company: Company, domain: str, slots: int) -> None:
    company.start(domain, slots, "--max-jobs", "4")

    where = stage.app.named(f"where_{domain}")
    ran_by = Counter(job.result(timeout=PATIENCE_S) for job in [where.enqueue() for _ in range(10)])

    assert [2, 4, 4] == sorted(ran_by.values())
    assert UNTOUCHED == counted(company, domain)
    wait_until(lambda: " retires\n" in company.log())
    assert " the next one waits " not in company.log()


def test_the_successor_works_while_a_worker_that_retires_finishes_its_job(company: Company) -> None:
    company.start("sync", 1, HEIJUNKA_MAX_JOBS="1", HEIJUNKA_GRACE="1ms")
    long = stage.unasked.enqueue("long")
    company.hear("long-runs")

    ran_by = {stage.where_sync.enqueue().result(timeout=PATIENCE_S) for _ in range(3)}
    assert "running" == long.status().state
    company.let("long")

    assert "deliveries 0" == long.result(timeout=PATIENCE_S)
    assert 3 == len(ran_by)
    assert UNTOUCHED == counted(company, "sync")


def test_a_supervisor_that_stops_gives_workers_that_retire_no_more_than_their_grace(company: Company) -> None:
    company.start("sync", 1, HEIJUNKA_MAX_JOBS="1", HEIJUNKA_GRACE="1ms")
    stage.unasked.enqueue("long")
    company.hear("long-runs")
    wait_until(lambda: " retires\n" in company.log(), PATIENCE_S)

    company.process.send_signal(signal.SIGTERM)

    assert 75 == company.process.wait(PATIENCE_S)
    assert {**UNTOUCHED, "release": 1} == counted(company, "sync")


def test_with_burst_successors_go_on_until_there_is_nothing_to_do(company: Company) -> None:
    jobs = [stage.where_sync.enqueue() for _ in range(5)]
    company.start("sync", 1, "--burst", "--max-jobs", "2")

    assert 0 == company.process.wait(PATIENCE_S)
    assert [1, 2, 2] == sorted(Counter(job.result(timeout=PATIENCE_S) for job in jobs).values())


def test_a_worker_that_grew_ends_between_jobs_and_nobody_is_charged(company: Company) -> None:
    company.start("sync", 2, "--max-memory", "400MiB", HEIJUNKA_GRACE="1ms")
    beside = stage.unasked.enqueue("beside")
    company.hear("beside-runs")

    big = stage.swell.enqueue(500).result(timeout=PATIENCE_S)
    wait_until(lambda: stage.where_sync.enqueue().result(timeout=PATIENCE_S) != big, PATIENCE_S)
    assert "running" == beside.status().state
    company.let("beside")

    assert "deliveries 0" == beside.result(timeout=PATIENCE_S)
    wait_until(lambda: not Path(f"/proc/{big}").exists(), PATIENCE_S)
    assert {**UNTOUCHED, "release": 0} == {**counted(company, "sync"), "release": 0}, "unstarted ones may go back"
    assert " MiB in memory after " in company.log()


def test_memory_is_looked_at_now_and_then_and_only_when_there_is_a_bound() -> None:
    here = os.getpid()
    bounded, unbounded = Waistline(1), Waistline(0)

    for waistline in (bounded, unbounded):
        waistline.tick(10.0)
    assert (True, 0) == (bounded.outgrown(here) > 1 << 20, unbounded.outgrown(here))
    assert 0 == bounded.outgrown(0), "it is not there yet"

    bounded.tick(10.0 + LOOK_EVERY_S / 2)
    assert 0 == bounded.outgrown(here)
    bounded.tick(10.0 + LOOK_EVERY_S)
    assert bounded.outgrown(here)


def test_a_process_that_is_gone_has_no_memory() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

    assert 0 == resident_bytes(pid)
