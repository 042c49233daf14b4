"""What the inside of a worker owes its jobs: none waits behind a long one, and none meets what another left."""

from __future__ import annotations

from typing import Any

import pytest

from heijunka import Job
from heijunka.app.enqueueable import BaseTask
from tests.fixtures.waiting import wait_until
from tests.worker import stage
from tests.worker.company import PATIENCE_S, Company, Hire


@pytest.mark.parametrize(
    ("domain", "slots", "long", "quick"),
    [
        pytest.param("sync", 1, stage.heed, stage.where_sync, id="main-thread"),
        pytest.param("sync", 2, stage.heed, stage.where_sync, id="threads"),
        pytest.param("loop", 2, stage.sleep, stage.where_loop, id="event-loop"),
    ],
)
def test_what_waits_behind_long_jobs_is_done_by_somebody_else(
    company: Company, domain: str, slots: int, long: BaseTask[[str], Any], quick: BaseTask[[], int]
) -> None:
    busy = [long.options(priority="high").enqueue(f"long-{slot}") for slot in range(slots)]
    waiting = [quick.enqueue() for _ in range(5)]
    company.start(domain, slots)  # its first pull takes them all
    for slot in range(slots):
        company.hear(f"long-{slot}-runs")
    wait_until(lambda: company.depths(domain).counted("release") == 5, PATIENCE_S)
    assert (slots, slots + 5) == (company.depths(domain).running, company.depths(domain).load)

    company.start(domain, slots)

    assert 1 == len({job.result(timeout=PATIENCE_S) for job in waiting})
    assert ["running"] * slots == [job.status().state for job in busy]
    assert 0 == company.depths(domain).counted("charged")
    for job in busy:
        job.cancel()


def test_a_worker_that_gave_jobs_back_pulls_again_when_the_long_one_has_ended(company: Company) -> None:
    long = stage.unasked.options(priority="high").enqueue("long")
    waiting = [stage.where_sync.enqueue() for _ in range(5)]
    company.start("sync", 1)
    wait_until(lambda: company.depths("sync").counted("release") == 5, PATIENCE_S)
    assert "running" == long.status().state

    company.let("long")

    assert 1 == len({job.result(timeout=PATIENCE_S) for job in waiting})


@pytest.mark.parametrize(
    ("domain", "slots", "leave"),
    [
        pytest.param("sync", 1, stage.leave_sync, id="main-thread"),
        pytest.param("sync", 2, stage.leave_sync, id="threads"),
        pytest.param("loop", 2, stage.aleave, id="event-loop"),
        pytest.param("loop", 2, stage.leave_loop, id="thread-of-the-loop"),
    ],
)
@pytest.mark.parametrize("soft_timeout", [None, "5m"], ids=["", "soft"])
def test_what_a_job_leaves_in_its_context_no_other_finds(
    hire: Hire, domain: str, slots: int, leave: BaseTask[[], str], soft_timeout: str | None
) -> None:
    hire(domain, slots)

    jobs = [leave.options(soft_timeout=soft_timeout).enqueue() for _ in range(6)]

    assert {"nothing"} == {job.result(timeout=PATIENCE_S) for job in jobs}


def test_suspects_run_alone_also_where_there_are_more_slots(company: Company) -> None:
    suspects = [stage.crowd.enqueue("killer", kills=True), stage.crowd.enqueue("beside")]
    others: list[Job[int]] = [stage.crowd.enqueue(f"other-{number}") for number in range(12)]
    company.start("sync", 2)

    assert [1, 1] == [job.result(timeout=PATIENCE_S) for job in suspects]
    assert 2 == max(job.result(timeout=PATIENCE_S) for job in others)
    assert 2 == company.depths("sync").counted("charged")


def test_a_worker_without_its_settler_ends_and_its_jobs_run_elsewhere(company: Company) -> None:
    company.start("sync", 1)

    assert 0 == stage.spoil.enqueue("it").result(timeout=PATIENCE_S)

    assert "the settler failed; this worker ends" in company.log()
    assert 1 == company.log().count("exited with code 70")
