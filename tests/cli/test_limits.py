"""`heijunka limits`, `drain` and `undrain`: what bounds a domain is told and changed from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.keys import domain_keys
from tests.cli.conftest import SHOP, Call, Start


def test_a_change_takes_effect_for_the_next_job_anywhere(call: Call) -> None:
    assert 0 == call("limits", "set", SHOP, "payment", "--hard", "1", "--reserved", "0").code
    assert 0 == call("enqueue", SHOP, "note", "hi").code

    refused = call("enqueue", SHOP, "note", "hi")

    assert (2, True) == (refused.code, refused.err.startswith("error: payment has no room for a "))
    assert "hint: come back in" in refused.err
    shown = json.loads(call("limits", "show", SHOP, "payment", "--json").out)
    assert (1, 1, 0.0, True) == (shown["hard_limit"], shown["load"], shown["reserved"], shown["bounded"])
    assert {"soft": "default", "hard": "live", "reserved": "live"} == shown["origins"]
    assert 1 == shown["counters"]["admitted_n"]


def test_a_reset_takes_a_change_back(call: Call) -> None:
    call("limits", "set", SHOP, "payment", "--hard", "7", "--soft", "none")

    done = call("limits", "reset", SHOP, "payment", "--json")

    assert (0, False) == (done.code, json.loads(done.out)["bounded"])


def test_a_change_before_the_first_job_stands_when_the_declaration_comes(
    call: Call, app_file: Callable[[str], str]
) -> None:
    """Looking tells Redis nothing: whoever looks may have an older version of the application."""
    path = app_file(
        'app.domain("payment", hard_limit=100)\n@app.task(domain="payment")\ndef note(text: str) -> None: ...'
    )
    before = call("limits", "list", path).out

    changed = json.loads(call("limits", "set", path, "payment", "--soft", "7", "--json").out)
    assert 0 == call("enqueue", path, "note", "hi").code

    assert before.rstrip().endswith("unbounded until the first job: declared, and not told yet")
    shown = json.loads(call("limits", "show", path, "payment", "--json").out)
    assert (7, 100) == (changed["soft_limit"], changed["hard_limit"]) == (shown["soft_limit"], shown["hard_limit"])
    assert {"soft": "live", "hard": "app.domain", "reserved": "default"} == shown["origins"]


def test_the_list_has_every_domain_and_says_which_are_unbounded(call: Call) -> None:
    call("limits", "set", SHOP, "payment", "--hard", "1_500")

    lines = call("limits", "list", SHOP).out.splitlines()
    found = json.loads(call("limits", "list", SHOP, "--json").out)

    payment = next(line for line in lines if line.startswith("payment"))
    assert ["1,000", "1,500", "0.2", "0.00", "default,", "live"] == payment.split()[2:]
    assert {True: ["payment"]} == {True: [each["domain"] for each in found if each["bounded"]]}
    assert all(line.endswith("unbounded") for line in lines[1:] if line != payment)


def test_what_is_shown_names_every_value_and_its_origin(call: Call) -> None:
    call("limits", "set", SHOP, "payment", "--hard", "600")

    shown = call("limits", "show", SHOP, "payment").out

    assert ["500  (default)", "600  (live)", "0.2  (default)", "0  (pressure 0.00)", "0.00%  (of what asked)"] == [
        line[10:].strip() for line in shown.splitlines()
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", SHOP, "payment", "--hard", "many"), "hard_limit 'many' is not a number of jobs"),
        (("set", SHOP, "payment", "--hard", "5", "--soft", "6"), "soft_limit 6 is above hard_limit 5"),
        (("set", SHOP, "payment"), "nothing is changed"),
        (("set", SHOP, "paymnet", "--hard", "5"), "has no domain 'paymnet'"),
        (("show", SHOP, "payment", "more"), "one domain is to be named"),
        (("list",), "no domain is named"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(call: Call, words: tuple[str, ...], says: str) -> None:
    done = call("limits", *words)

    assert (2, True) == (done.code, says in done.err), done.err
    assert not json.loads(call("limits", "show", SHOP, "payment", "--json").out)["bounded"]


def test_a_domain_needs_no_application(call: Call) -> None:
    call("limits", "set", "payment", "--hard", "9")

    assert 9 == json.loads(call("limits", "show", SHOP, "payment", "--json").out)["hard_limit"]


def test_a_drained_domain_takes_no_jobs_until_it_is_undrained(call: Call) -> None:
    call("enqueue", SHOP, "note", "hi")

    left = call("drain", SHOP, "payment", "--timeout", "10ms")
    refused = call("enqueue", SHOP, "note", "hi")
    checks = json.loads(call("doctor", SHOP, "--json").out)["checks"]
    again = call("undrain", SHOP, "payment")

    assert (75, "payment takes no jobs, and has 1 job left\n") == (left.code, left.err)
    assert (2, True) == (refused.code, "is being drained" in refused.err)
    assert "payment: drained, it takes no jobs" in [each["says"] for each in checks if each["check"] == "limits"]
    assert (0, "payment takes jobs\n") == (again.code, again.err)
    assert 0 == call("enqueue", SHOP, "note", "hi").code


def test_a_drain_ends_when_everything_is_finished(call: Call, start: Start, client: Client, namespace: str) -> None:
    call("enqueue", SHOP, "note", "hi")
    start("worker", SHOP, "-d", "payment", "-n", "1")

    done = call("drain", SHOP, "payment", "--timeout", "1m", "--json")

    assert (0, 0, True) == (done.code, (said := json.loads(done.out))["load"], said["draining"])
    depths = client.execute(commands.depths(domain_keys(namespace, "payment")))
    assert (1, 0) == (depths.counted("ack", "done"), depths.load)


def test_a_drain_does_not_wait_unless_it_is_told_for_how_long(call: Call) -> None:
    call("queue", "pause", SHOP, "normal.payment")
    call("enqueue", SHOP, "note", "hi")

    done = call("drain", SHOP, "payment")

    assert 0 == done.code
    assert "has 1 job left\nhint: normal.payment is paused: heijunka queue resume\n" in done.err
    assert 2 == call("drain", SHOP, "payment", "--timeout", "soon").code


def test_doctor_says_which_domains_are_unbounded(call: Call) -> None:
    call("limits", "set", SHOP, "payment", "--hard", "1", "--reserved", "0")
    call("enqueue", SHOP, "note", "hi")

    checks = json.loads(call("doctor", SHOP, "--json").out)["checks"]

    says = {each["says"].partition(":")[0]: each for each in checks if each["check"] == "limits"}
    assert ("warn", True) == (says["payment"]["status"], says["payment"]["says"].endswith("jobs are refused"))
    assert all("unbounded" in each["says"] for name, each in says.items() if name != "payment")
