"""Jobs that are cancelled while workers hold them: told, cancelled, or killed, in every executor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heijunka import Heijunka, JobCancelled, commands
from heijunka.app.job import Job
from heijunka.commands import Depths
from tests.fixtures.waiting import wait_until
from tests.worker import stage

PATIENCE_S = 60


class Company:
    """Worker processes of the stage, under a real supervisor.

    Parameters:
        app: the stage, connected.
        folder: where its tasks say what happens.
    """

    def __init__(self, app: Heijunka, folder: Path) -> None:
        self.app, self.folder = app, folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, domain: str, slots: int, **settings: str) -> subprocess.Popen[bytes]:
        """Start one worker process of a domain."""
        words = ["worker", "tests.worker.stage:app", "-d", domain, "-n", "1", "--slots", str(slots)]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "heijunka_cli", *words],
                env={
                    **os.environ,
                    "HEIJUNKA_REDIS_URL": self.app.redis_url(),
                    "HEIJUNKA_NAMESPACE": self.app.namespace,
                    "STAGE": str(self.folder),
                    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "cli"))),
                    **settings,
                },
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def log(self) -> str:
        """What the supervisors and workers logged."""
        return (self.folder / "log").read_text()

    def hear(self, what: str) -> int:
        """Wait until this was said; how often it was by now."""
        path = self.folder / what
        wait_until(path.exists, PATIENCE_S)
        return len(path.read_text())

    def says(self, what: str) -> bool:
        """Whether this was said."""
        return (self.folder / what).exists()

    def let(self, name: str) -> None:
        """Let an `unasked` go on."""
        (self.folder / f"{name}-go").touch()

    def depths(self, domain: str) -> Depths:
        """What a domain holds."""
        return self.app.connections.client.execute(commands.depths(self.app.keys(domain)))

    def close(self) -> None:
        """End what is left."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def company(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[Company]:
    stage.app.override({"redis_url": redis_url, "namespace": namespace}, "test")
    company = Company(stage.app, tmp_path)
    try:
        yield company
    finally:
        company.close()
        stage.app.close()


def ended_as_cancelled(job: Job[Any]) -> JobCancelled:
    with pytest.raises(JobCancelled) as ended:
        job.result(timeout=PATIENCE_S)
    assert "cancelled" == ended.value.reason
    assert "cancelled" == job.status().state
    return ended.value


def counted(depths: Depths) -> dict[str, int]:
    return {name: depths.counted(name) for name in ("cancelled", "dead", "done", "retry", "charged", "buried")}


NOTHING = dict.fromkeys(("cancelled", "dead", "done", "retry", "charged", "buried"), 0)


@pytest.mark.parametrize(
    ("task", "slots"),
    [
        pytest.param(stage.heed, 1, id="main thread"),
        pytest.param(stage.heed, 3, id="threads"),
        pytest.param(stage.sleep, 3, id="coroutine"),
        pytest.param(stage.heed_by_the_loop, 3, id="thread of a loop"),
    ],
)
def test_a_running_job_is_told_and_ends_in_order_while_its_worker_lives_on(
    company: Company, task: Any, slots: int
) -> None:
    domain = task.task_options.domain
    company.start(domain, slots)
    job = task.enqueue("it")
    company.hear("it-runs")

    assert "cancelling" == job.cancel()

    assert "it was cancelled while it ran" == ended_as_cancelled(job).error_message
    assert 1 == company.hear("it-told")
    assert (0, NOTHING | {"cancelled": 1}) == (company.depths(domain).load, counted(company.depths(domain)))
    assert "ended" == job.cancel()
    other = task.enqueue("other")
    company.hear("other-runs")
    other.cancel()
    ended_as_cancelled(other)
    assert "was killed" not in company.log()


@pytest.mark.parametrize(
    ("task", "slots"),
    [
        pytest.param(stage.ignore, 1, id="main thread"),
        pytest.param(stage.ignore, 2, id="threads"),
        pytest.param(stage.stay, 2, id="coroutine"),
    ],
)
def test_a_job_that_goes_on_is_killed_after_the_grace_and_kept_as_a_dead_letter(
    company: Company, task: Any, slots: int
) -> None:
    domain = task.task_options.domain
    company.start(domain, slots, HEIJUNKA_CANCEL_GRACE="200ms")
    job = task.enqueue("it")
    company.hear("it-runs")

    assert "cancelling" == job.cancel()

    assert "killed because it went on" in ended_as_cancelled(job).error_message
    assert 1 == company.hear("it-runs")
    [letter] = company.app.control.dead.letters(domain)
    assert (job.id, "cancelled") == (letter.id, letter.reason)
    assert (0, NOTHING | {"dead": 1}) == (company.depths(domain).load, counted(company.depths(domain)))


def test_the_neighbours_of_a_job_that_is_killed_run_again_uncharged(company: Company) -> None:
    company.start("sync", 2, HEIJUNKA_CANCEL_GRACE="200ms")
    neighbour, job = stage.unasked.enqueue("neighbour"), stage.ignore.enqueue("it")
    company.hear("it-runs")
    company.hear("neighbour-runs")

    job.cancel()
    ended_as_cancelled(job)
    wait_until(lambda: 2 == company.hear("neighbour-runs"), PATIENCE_S)
    company.let("neighbour")

    assert "deliveries 0" == neighbour.result(timeout=PATIENCE_S)


def test_an_error_of_a_cancelled_job_is_kept_as_a_dead_letter_and_not_tried_again(company: Company) -> None:
    company.start("sync", 1)
    job = stage.fail.enqueue("it")
    company.hear("it-runs")

    job.cancel()

    assert ("ValueError", "half done") == (
        (error := ended_as_cancelled(job)).error_type,
        error.error_message,
    )
    assert 1 == company.hear("it-runs")
    assert NOTHING | {"dead": 1} == counted(company.depths("sync"))


def test_a_job_that_was_pulled_and_not_started_ends_unrun(company: Company) -> None:
    first, second = stage.unasked.enqueue("first"), stage.heed.enqueue("second")
    company.start("sync", 1)
    company.hear("first-runs")
    wait_until(lambda: 2 == company.depths("sync").running)

    assert "cancelling" == second.cancel()
    wait_until(lambda: "1 job held here was cancelled" in company.log(), PATIENCE_S)
    company.let("first")

    assert "deliveries 0" == first.result(timeout=PATIENCE_S)
    assert "it was cancelled before it ran" == ended_as_cancelled(second).error_message
    assert not company.says("second-runs")


def test_a_job_that_is_done_before_its_task_asks_is_done(company: Company) -> None:
    company.start("sync", 1)
    job = stage.unasked.enqueue("it")
    company.hear("it-runs")

    assert ["cancelling", "cancelling"] == [job.cancel(), job.cancel()]
    wait_until(lambda: "1 job held here was cancelled" in company.log(), PATIENCE_S)
    company.let("it")

    assert "deliveries 0" == job.result(timeout=PATIENCE_S)
    assert "done" == job.status().state
    assert "ended" == job.cancel()


def test_a_job_whose_worker_dies_before_it_is_told_ends_when_it_is_pulled_again(company: Company) -> None:
    process = company.start("sync", 1)
    job = stage.heed.enqueue("it")
    company.hear("it-runs")
    os.kill(process.pid, signal.SIGSTOP)  # it can tell nobody

    assert "cancelling" == job.cancel()
    os.killpg(process.pid, signal.SIGKILL)
    company.start("sync", 1, HEIJUNKA_LEASE="1s")

    assert "it was cancelled before it ran" == ended_as_cancelled(job).error_message
    assert 1 == company.hear("it-runs")


def test_jobs_are_cancelled_while_their_worker_stops(company: Company) -> None:
    process = company.start("sync", 1, HEIJUNKA_GRACE="10m")
    job = stage.heed.enqueue("it")
    company.hear("it-runs")
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in company.log(), PATIENCE_S)

    assert "cancelling" == job.cancel()

    ended_as_cancelled(job)
    assert 0 == process.wait(PATIENCE_S)


def test_of_two_hosts_the_one_that_runs_the_job_is_told_whichever_is_woken(company: Company) -> None:
    for _ in range(2):
        company.start("sync", 1)
    jobs = [stage.heed.enqueue(name) for name in ("one", "two")]
    for name in ("one", "two"):
        company.hear(f"{name}-runs")

    assert ["cancelling", "cancelling"] == [job.cancel() for job in jobs]

    for job in jobs:
        ended_as_cancelled(job)
