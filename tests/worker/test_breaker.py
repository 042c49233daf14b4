"""The breaker of real workers: who fails stops pulling, gives back what is not started, and learns when it is over."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from heijunka.app.enqueueable import BaseTask
from tests.fixtures.waiting import wait_until
from tests.worker import stage
from tests.worker.company import PATIENCE_S, Company

KINDS = pytest.mark.parametrize(
    ("domain", "slots", "task"),
    [
        pytest.param("sync", 1, stage.frail, id="main-thread"),
        pytest.param("sync", 2, stage.frail, id="threads"),
        pytest.param("loop", 2, stage.afrail, id="event-loop"),
    ],
)


@KINDS
def test_failures_in_a_row_stop_it_and_what_is_not_started_goes_back(
    company: Company, domain: str, slots: int, task: BaseTask[[str], str]
) -> None:
    task.enqueue_many([(f"job-{number}",) for number in range(10)])
    company.start(domain, slots, HEIJUNKA_BREAKER="3", HEIJUNKA_BREAKER_RECOVERY="manual")
    pool = company.app.control.pools[domain]
    wait_until(lambda: pool.status().broken == 1, PATIENCE_S)
    wait_until(lambda: company.depths(domain).running == 0, PATIENCE_S)

    depths = company.depths(domain)
    assert depths.dead in range(3, 3 + slots)  # the other slot may have been at it
    assert (10 - depths.dead, 0) == (depths.load, depths.counted("charged"))
    assert 1 == depths.counted("breaker_opened")
    assert "the bank is down: it pulls nothing until it is reset" in company.log()

    (company.folder / "mended").touch()
    assert 1 == company.app.control.breakers.reset(domain)

    wait_until(lambda: company.depths(domain).load == 0, PATIENCE_S)
    assert 10 - depths.dead == company.depths(domain).counted("ack", "done")
    wait_until(lambda: pool.status().broken == 0, PATIENCE_S)


@KINDS
def test_it_tries_one_job_after_a_while_and_closes_when_that_succeeds(
    company: Company, domain: str, slots: int, task: BaseTask[[str], str]
) -> None:
    task.enqueue_many([(f"job-{number}",) for number in range(30)])
    company.start(domain, slots, HEIJUNKA_BREAKER="3", HEIJUNKA_BREAKER_OPEN="50ms", HEIJUNKA_BREAKER_OPEN_MOST="100ms")
    wait_until(lambda: company.log().count("opened after") >= 3, PATIENCE_S)  # each probe failed

    (company.folder / "mended").touch()

    wait_until(lambda: company.depths(domain).load == 0, PATIENCE_S)
    dead = company.depths(domain).dead
    assert 30 - dead == company.depths(domain).counted("ack", "done")
    assert dead <= company.log().count("opened after") + 2 + slots
    assert "closed" in company.log()


def test_what_is_expected_is_no_failure(company: Company) -> None:
    stage.picky.enqueue_many([("no",)] * 6)
    company.start("sync", 1, HEIJUNKA_BREAKER="3")

    wait_until(lambda: company.depths("sync").dead == 6, PATIENCE_S)
    assert 0 == company.depths("sync").counted("breaker_opened")


def test_a_burst_with_an_open_breaker_that_nobody_resets_ends(company: Company) -> None:
    stage.frail.enqueue_many([(f"job-{number}",) for number in range(5)])

    company.start("sync", 1, "--burst", HEIJUNKA_BREAKER="2", HEIJUNKA_BREAKER_RECOVERY="manual")

    assert 0 == company.process.wait(PATIENCE_S)
    assert (2, 3) == (company.depths("sync").dead, company.depths("sync").load)


def test_somebody_is_told(company: Company) -> None:
    told = company.folder / "told"
    stage.frail.enqueue_many([(f"job-{number}",) for number in range(3)])

    company.start("sync", 1, HEIJUNKA_BREAKER="3", HEIJUNKA_ALERT_COMMAND=f"tee {told}")

    wait_until(lambda: told.exists() and told.read_text().endswith("}"), PATIENCE_S)
    facts = json.loads(told.read_text())
    assert ("breaker open", "sync", 3, 5.0) == tuple(facts[name] for name in ("alert", "domain", "failures", "open_s"))
    assert "ConnectionError: the bank is down" == facts["error"]


def test_a_webhook_is_told_too(company: Company) -> None:
    heard: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        stage.frail.enqueue_many([(f"job-{number}",) for number in range(3)])
        company.start(
            "sync", 1, HEIJUNKA_BREAKER="3", HEIJUNKA_ALERT_WEBHOOK=f"http://127.0.0.1:{server.server_port}/a"
        )

        wait_until(lambda: heard, PATIENCE_S)
        server.shutdown()
    assert "breaker open" == json.loads(heard[0])["alert"]
