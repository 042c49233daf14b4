"""`heijunka scale`, `status` and `coordinator`: pools of real processes follow orders and leaders."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import Any

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.commands import Fleet, PoolReport, Report, Target
from heijunka.keys import NamespaceKeys
from tests.cli.conftest import SHOP, Call, Start
from tests.fixtures.waiting import wait_until


def fleet(client: Client, namespace: str) -> Fleet:
    return client.execute(commands.fleet(NamespaceKeys(namespace)))


def target(client: Client, namespace: str) -> Target:
    return fleet(client, namespace).targets.get("payment", Target(-1))


def workers(client: Client, namespace: str, domain: str = "payment") -> tuple[int, int]:
    """How many pull and how many are on their way out, on all hosts."""
    reports = fleet(client, namespace).pool(domain).values()
    return sum(one.workers - one.starting for one in reports), sum(one.draining for one in reports)


def serve(client: Client, namespace: str) -> None:
    """Let somebody seem to serve `payment` with two workers."""
    pools = {"payment": PoolReport(2, least=2, most=9)}
    says = Report("host", 1, 50, pools)
    client.execute(commands.report(NamespaceKeys(namespace), "host", says, ttl=Milliseconds(60_000)))


def ended(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=50)
    return process.returncode


# -- real processes ----------------------------------------------------------------------------------


def test_a_pool_follows_orders_and_goes_on_when_its_leader_is_killed(
    start: Start, call: Call, client: Client, namespace: str
) -> None:
    leader = start("coordinator", SHOP)
    wait_until(lambda: fleet(client, namespace).leader)
    worker = start("worker", SHOP, "-d", "payment", "--no-coordinator")
    wait_until(lambda: workers(client, namespace) == (2, 0))

    assert 0 == call("scale", SHOP, "payment", "+2").code
    wait_until(lambda: workers(client, namespace) == (4, 0))
    assert 0 == call("scale", SHOP, "payment", "3").code
    wait_until(lambda: workers(client, namespace) == (3, 0))
    leader.kill()
    leader.wait(20)
    client.plain("HSET", NamespaceKeys(namespace).leader, "expires", "1")  # as if its lease were over
    start("coordinator", SHOP)
    assert 0 == call("scale", SHOP, "payment", "5").code
    wait_until(lambda: workers(client, namespace) == (5, 0))

    explained = call("scale", "explain", SHOP, "payment").out
    assert re.search(r" 3 → 5 +5 workers were ordered", explained)
    assert [(3, 5)] == [
        (one["before"], one["after"])
        for one in json.loads(call("scale", "explain", SHOP, "payment", "--last", "1", "--json").out)
    ]
    assert 2 == fleet(client, namespace).term
    assert 0 == ended(worker)
    assert {} == fleet(client, namespace).reports


def test_a_worker_leads_itself_and_hands_over_when_it_stops(start: Start, client: Client, namespace: str) -> None:
    worker = start("worker", SHOP, "-d", "payment", "-n", "1")
    wait_until(lambda: fleet(client, namespace).targets)
    assert 1 == fleet(client, namespace).term

    assert 0 == ended(worker)

    assert "" == fleet(client, namespace).leader


def test_a_number_of_processes_stays_whatever_is_ordered(
    start: Start, call: Call, client: Client, namespace: str
) -> None:
    start("worker", SHOP, "-d", "payment", "-n", "1")
    wait_until(lambda: workers(client, namespace) == (1, 0))

    call("scale", SHOP, "payment", "4")

    wait_until(lambda: target(client, namespace).workers == 4)
    assert {1} == set(target(client, namespace).split.values())
    assert (1, 0) == workers(client, namespace)


def test_a_host_has_no_more_workers_than_it_may(start: Start, call: Call, client: Client, namespace: str) -> None:
    start("worker", SHOP, "-d", "payment", "--max-workers", "3")
    wait_until(lambda: workers(client, namespace) == (2, 0))

    call("scale", SHOP, "payment", "9")

    wait_until(lambda: workers(client, namespace) == (3, 0))
    assert 9 == target(client, namespace).workers


# -- what is said ------------------------------------------------------------------------------------


def test_an_order_is_said_and_taken_back(call: Call, client: Client, namespace: str) -> None:
    serve(client, namespace)

    ordered = call("scale", SHOP, "payment", "7")
    back = call("scale", SHOP, "payment", "auto", "--json")

    assert (0, "payment: 7 workers, until heijunka scale payment auto\n") == (ordered.code, ordered.out)
    assert {"domain": "payment", "target": None, "mode": "auto"} == json.loads(back.out)
    assert {} == fleet(client, namespace).orders


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("payment", "many"), "'many' is no size"),
        ((SHOP, "payment", "10"), "payment may have 9 workers at most, not 10"),
        ((SHOP, "payment", "-1"), "payment has 2 workers at least, not 1"),
        ((SHOP, "paymnet", "3"), "has no domain 'paymnet'"),
        (("payment",), "a pool and a size are to be named"),
        (("explain",), "a pool and a size are to be named"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(
    call: Call, client: Client, namespace: str, words: tuple[str, ...], says: str
) -> None:
    serve(client, namespace)

    done = call("scale", *words)

    assert (2, True) == (done.code, says in done.err), done.err
    assert {} == fleet(client, namespace).orders


def test_nothing_decided_is_said(call: Call) -> None:
    assert "nothing was decided about payment\n" == call("scale", "explain", SHOP, "payment").out


# -- status ------------------------------------------------------------------------------------------


def status(call: Call, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call("status", SHOP, "--json", *words).out)
    return found


def test_the_status_shows_every_pool_and_what_to_do_about_it(call: Call, client: Client, namespace: str) -> None:
    serve(client, namespace)
    call("enqueue", SHOP, "note", "hi")
    call("enqueue", SHOP, "forgetful", "1")

    shown = call("status", SHOP).out
    facts = {one["domain"]: one for one in status(call)["pools"]}

    assert "nobody leads: pools keep their sizes" in shown
    assert re.search(r"payment +\? +0 · 1 · 0 ", shown)
    assert re.search(r"delivery +down\b", shown)
    assert "start: heijunka worker -d delivery" in shown.replace("\n", " ")
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert (2, 1, "alone") == tuple(facts["payment"][name] for name in ("current", "waiting", "mode"))
    assert ("down", 0) == (facts["delivery"]["health"], facts["delivery"]["current"])
    assert ["delivery"] == [one["domain"] for one in status(call, "-d", "delivery")["pools"]]


def test_who_leads_is_shown(call: Call, client: Client, namespace: str) -> None:
    client.execute(commands.lead(NamespaceKeys(namespace), "host-1", ttl=Milliseconds(60_000)))

    assert "host-1" == status(call)["leader"]
    assert "led by host-1" in call("status", SHOP, "--once").out
