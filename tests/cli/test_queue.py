"""`heijunka queue`: a pause keeps accepting and lets nothing be pulled; a purge cancels what waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.keys import domain_keys
from tests.cli.conftest import SHOP, Call, Start
from tests.fixtures.waiting import wait_until


def shown(call: Call, name: str) -> list[tuple[str, int, bool]]:
    found: list[dict[str, Any]] = json.loads(call("queue", "show", SHOP, name, "--json").out)
    return [(one["name"], one["waiting"], one["paused"]) for one in found]


def test_a_paused_queue_is_not_served_until_it_is_resumed(
    start: Start, call: Call, client: Client, namespace: str
) -> None:
    assert 0 == call("queue", "pause", SHOP, "normal.payment").code
    call("enqueue", SHOP, "note", "hi")
    start("worker", SHOP, "-d", "payment", "-n", "1")
    keys = domain_keys(namespace, "payment")
    call("enqueue", SHOP, "note", "urgent", "--priority", "high")
    wait_until(lambda: client.execute(commands.depths(keys)).counted("done", "ack") == 1)

    assert [("normal.payment", 1, True)] == shown(call, "normal.payment")
    assert 0 == call("queue", "resume", SHOP, "payment").code
    wait_until(lambda: client.execute(commands.depths(keys)).counted("done", "ack") == 2)


def test_queues_are_listed_with_what_waits_and_their_state(call: Call) -> None:
    call("enqueue", SHOP, "note", "hi")
    call("queue", "pause", SHOP, "low.payment")

    lines = call("queue", "list", SHOP).out.splitlines()

    assert ["QUEUE", "WAITING", "RUNNING", "STATE"] == lines[0].split()
    assert ["high.payment", "0", "0"] in [line.split() for line in lines]
    assert ["normal.payment", "1", "0"] in [line.split() for line in lines]
    assert ["low.payment", "0", "0", "paused"] in [line.split() for line in lines]


def test_a_domains_name_means_all_of_its_queues(call: Call) -> None:
    call("queue", "pause", SHOP, "payment")
    call("queue", "resume", SHOP, "normal.payment")

    assert [True, False, True] == [paused for _, _, paused in shown(call, "payment")]


def test_a_purge_cancels_what_waits(call: Call, client: Client, namespace: str) -> None:
    for number in range(3):
        call("enqueue", SHOP, "note", str(number))

    done = call("queue", "purge", SHOP, "payment", "--yes")

    assert (0, "3 jobs of payment cancelled\n") == (done.code, done.out)
    depths = client.execute(commands.depths(domain_keys(namespace, "payment")))
    assert (0, 3) == (depths.load, depths.counted("cancelled"))
    assert {"queue": "payment", "cancelled": 0} == json.loads(
        call("queue", "purge", SHOP, "payment", "--yes", "--json").out
    )


def test_a_purge_asks_before(call: Call) -> None:
    call("enqueue", SHOP, "note", "hi")

    done = call("queue", "purge", SHOP, "payment")

    assert 0 != done.code
    assert "Cancel 1 job of payment?" in done.err
    assert [("normal.payment", 1, False)] == shown(call, "normal.payment")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pause", SHOP, "High Payment"), "'High Payment' is no queue"),
        (("pause", SHOP, "high.paymnet"), "has no domain 'paymnet'\nhint: did you mean 'payment'?"),
        (("list", SHOP, "-d", "paymnet"), "has no domain 'paymnet'\nhint: did you mean 'payment'?"),
        (("list",), "no domain is named"),
        (("puase", "payment"), "did you mean 'pause'?"),
        (("pause",), "one queue is to be named"),
        (("show", SHOP, "payment", "more"), "one queue is to be named"),
    ],
)
def test_a_mistake_is_told(call: Call, words: tuple[str, ...], says: str) -> None:
    done = call("queue", *words)

    assert (2, True) == (done.code, says in done.err), done.err
