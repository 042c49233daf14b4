"""Jobs that are cancelled while workers hold them: told, cancelled, or killed, in every executor."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from heijunka import JobCancelled
from heijunka.app.job import Job
from heijunka.commands import Depths
from tests.fixtures.waiting import wait_until
from tests.worker import stage
from tests.worker.company import PATIENCE_S, Hire

COUNTED = ("cancelled", "dead", "done", "retry", "charged", "buried")
NOTHING = dict.fromkeys(COUNTED, 0)


def ended_as_cancelled(job: Job[Any]) -> JobCancelled:
    with pytest.raises(JobCancelled) as ended:
        job.result(timeout=PATIENCE_S)
    assert "cancelled" == ended.value.reason
    assert "cancelled" == job.status().state
    return ended.value


def counted(depths: Depths) -> dict[str, int]:
    return {name: depths.counted(name) for name in COUNTED}


def since(before: Depths, now: Depths) -> dict[str, int]:
    return {name: now.counted(name) - before.counted(name) for name in COUNTED}


@pytest.mark.parametrize(
    ("task", "slots"),
    [
        pytest.param(stage.heed, 1, id="main thread"),
        pytest.param(stage.heed, 3, id="threads"),
        pytest.param(stage.sleep, 3, id="coroutine"),
        pytest.param(stage.heed_by_the_loop, 3, id="thread of a loop"),
    ],
)
def test_a_running_job_is_told_and_ends_in_order_while_its_worker_lives_on(hire: Hire, task: Any, slots: int) -> None:
    domain = task.task_options.domain
    company = hire(domain, slots)
    before, name = company.depths(domain), company.name()
    job = task.enqueue(name)
    company.hear(f"{name}-runs")

    assert "cancelling" == job.cancel()

    assert "it was cancelled while it ran" == ended_as_cancelled(job).error_message
    assert 1 == company.hear(f"{name}-told")
    after = company.depths(domain)
    assert (0, NOTHING | {"cancelled": 1}) == (after.load, since(before, after))
    assert "ended" == job.cancel()
    assert "was killed" not in company.log()


@pytest.mark.parametrize(
    ("task", "slots"),
    [
        pytest.param(stage.ignore, 1, id="main thread", marks=pytest.mark.slow),
        pytest.param(stage.ignore, 2, id="threads"),
        pytest.param(stage.stay, 2, id="coroutine"),
    ],
)
def test_a_job_that_goes_on_is_killed_after_the_grace_and_kept_as_a_dead_letter(
    hire: Hire, task: Any, slots: int
) -> None:
    domain = task.task_options.domain
    company = hire(domain, slots, HEIJUNKA_CANCEL_GRACE="200ms")
    before, name = company.depths(domain), company.name()
    job = task.enqueue(name)
    company.hear(f"{name}-runs")

    assert "cancelling" == job.cancel()

    assert "killed because it went on" in ended_as_cancelled(job).error_message
    assert 1 == company.hear(f"{name}-runs")
    assert (job.id, "cancelled") in [(each.id, each.reason) for each in company.app.control.dead.letters(domain)]
    after = company.depths(domain)
    assert (0, NOTHING | {"dead": 1}) == (after.load, since(before, after))


def test_the_neighbours_of_a_job_that_is_killed_run_again_uncharged(hire: Hire) -> None:
    company = hire("sync", 2, HEIJUNKA_CANCEL_GRACE="200ms")
    neighbour, job = stage.unasked.enqueue("neighbour"), stage.ignore.enqueue("its-neighbour")
    company.hear("its-neighbour-runs")
    company.hear("neighbour-runs")

    job.cancel()
    ended_as_cancelled(job)
    wait_until(lambda: 2 == company.hear("neighbour-runs"), PATIENCE_S)
    company.let("neighbour")

    assert "deliveries 0" == neighbour.result(timeout=PATIENCE_S)


def test_an_error_of_a_cancelled_job_is_kept_as_a_dead_letter_and_not_tried_again(hire: Hire) -> None:
    company = hire("sync", 1)
    before = company.depths("sync")
    job = stage.fail.enqueue("failing")
    company.hear("failing-runs")

    job.cancel()

    error = ended_as_cancelled(job)
    assert ("ValueError", "half done") == (error.error_type, error.error_message)
    assert 1 == company.hear("failing-runs")
    assert NOTHING | {"dead": 1} == since(before, company.depths("sync"))


def test_what_was_pulled_and_not_started_ends_unrun_and_what_is_done_before_its_task_asks_is_done(hire: Hire) -> None:
    company = hire("sync", 1, HEIJUNKA_PULL_SIZE="7")  # and it does not know yet how long its jobs take
    first, second = stage.unasked.enqueue("first"), stage.heed.enqueue("second")
    told = company.told()
    company.hear("first-runs")

    assert ["cancelling", "cancelling"] == [first.cancel(), first.cancel()]
    assert second.cancel() in {"cancelling", "cancelled"}  # a machine that is slow has given it back by now
    wait_until(lambda: company.told() > told, PATIENCE_S)
    company.let("first")

    assert "deliveries 0" == first.result(timeout=PATIENCE_S)
    assert ("done", "ended") == (first.status().state, first.cancel())
    assert "it was cancelled before it ran" == ended_as_cancelled(second).error_message
    assert not company.says("second-runs")


def test_a_job_whose_worker_dies_before_it_is_told_ends_when_it_is_pulled_again(hire: Hire) -> None:
    company = hire("sync", 1)
    job = stage.heed.enqueue("orphan")
    company.hear("orphan-runs")
    company.process.send_signal(signal.SIGSTOP)  # the supervisor can tell nobody

    assert "cancelling" == job.cancel()
    os.kill(int(company.text("orphan-pid")), signal.SIGKILL)
    company.process.send_signal(signal.SIGCONT)

    assert "it was cancelled before it ran" == ended_as_cancelled(job).error_message
    assert 1 == company.hear("orphan-runs")


def test_jobs_are_cancelled_while_their_worker_stops(hire: Hire) -> None:
    company = hire("sync", 1, HEIJUNKA_GRACE="10m")
    job = stage.heed.enqueue("last")
    company.hear("last-runs")
    company.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in company.log(), PATIENCE_S)

    assert "cancelling" == job.cancel()

    ended_as_cancelled(job)
    assert 0 == company.process.wait(PATIENCE_S)


@pytest.mark.slow
def test_of_two_hosts_the_one_that_runs_the_job_is_told_whichever_is_woken(hire: Hire) -> None:
    company = hire("sync", 1, HEIJUNKA_PULL_SIZE="1")
    jobs = []
    for name in ("one", "two"):
        jobs.append(stage.heed.enqueue(name))
        company.hear(f"{name}-runs")
        if name == "one":
            company.start("sync", 1, HEIJUNKA_PULL_SIZE="1")

    assert ["cancelling", "cancelling"] == [job.cancel() for job in jobs]

    for job in jobs:
        ended_as_cancelled(job)
