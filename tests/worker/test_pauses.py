"""A pause reaches workers that hold jobs: what they have not started goes back in order, uncharged, and waits."""

from __future__ import annotations

from typing import Any

import pytest

from heijunka.app.enqueueable import BaseTask
from tests.fixtures.waiting import wait_until
from tests.worker import stage
from tests.worker.company import PATIENCE_S, Company


@pytest.mark.parametrize(
    ("domain", "slots", "long", "quick"),
    [
        pytest.param("sync", 1, stage.heed, stage.where_sync, id="main-thread"),
        pytest.param("loop", 1, stage.sleep, stage.where_loop, id="event-loop"),
    ],
)
def test_what_a_worker_has_not_started_goes_back(
    company: Company, domain: str, slots: int, long: BaseTask[[str], Any], quick: BaseTask[[], int]
) -> None:
    queues = stage.app.control.queues
    busy = long.options(priority="high").enqueue("long")
    waiting = [quick.enqueue() for _ in range(5)]
    company.start(domain, slots)
    company.hear("long-runs")

    queues.pause(domain)

    wait_until(lambda: " of paused queues" in company.log(), PATIENCE_S)
    wait_until(lambda: company.depths(domain).ready["normal"] == 5, PATIENCE_S)
    assert 1 == company.depths(domain).running
    assert "running" == busy.status().state
    assert (5, 0) == tuple(company.depths(domain).counted(name) for name in ("release", "charged"))
    [queue] = queues.show(f"normal.{domain}")
    assert (5, True) == (queue.waiting, queue.paused)
    busy.cancel()
    queues.resume(domain)
    assert 1 == len({job.result(timeout=PATIENCE_S) for job in waiting})


def test_jobs_of_other_queues_stay_where_they_are(company: Company) -> None:
    long = stage.unasked.options(priority="high").enqueue("long")
    low = [stage.where_sync.options(priority="low").enqueue() for _ in range(3)]
    normal = [stage.where_sync.enqueue() for _ in range(3)]
    company.start("sync", 1)
    company.hear("long-runs")

    stage.app.control.queues.pause("low.sync")
    wait_until(lambda: " of paused queues" in company.log(), PATIENCE_S)
    company.let("long")

    assert 1 == len({job.result(timeout=PATIENCE_S) for job in normal})
    assert long.result(timeout=PATIENCE_S)
    assert ["queued"] * 3 == [job.status().state for job in low]
    assert 3 == company.depths("sync").ready["low"]
