"""`heijunka cancel`: jobs end by their ids, and each one's outcome is told."""

from __future__ import annotations

import json
import uuid

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.keys import domain_keys
from tests.cli.conftest import SHOP, Call

NOBODY = "018f2c3e-0000-7000-8000-000000000001"


def test_jobs_of_any_domain_are_cancelled_and_told_line_by_line(call: Call, client: Client, namespace: str) -> None:
    one, other = (call("enqueue", SHOP, *words).out.strip() for words in (("note", "hi"), ("forgetful", "1")))

    done = call("cancel", SHOP, one, other, one)

    assert (0, f"{one} cancelled\n{other} cancelled\n{one} ended\n", "") == (done.code, done.out, done.err)
    assert [0, 0] == [
        client.execute(commands.depths(domain_keys(namespace, each))).load for each in ("payment", "delivery")
    ]


def test_a_job_that_a_worker_holds_is_being_cancelled(call: Call, client: Client, namespace: str) -> None:
    job, keys = call("enqueue", SHOP, "note", "hi").out.strip(), domain_keys(namespace, "payment")
    client.execute(commands.join(keys, "w1", ttl=Milliseconds(60_000)))
    client.execute(commands.pull(keys, "w1", 1, alone=True))

    done = call("cancel", SHOP, job, "--json")

    assert (0, {"id": job, "outcome": "cancelling"}) == (done.code, json.loads(done.out))


def test_a_job_of_which_there_is_no_trace_makes_exit_code_3_and_the_others_are_cancelled(call: Call) -> None:
    job = call("enqueue", SHOP, "note", "hi").out.strip()

    done = call("cancel", SHOP, NOBODY, job, "--json")

    assert 3 == done.code
    assert [{"id": NOBODY, "outcome": "unknown"}, {"id": job, "outcome": "cancelled"}] == [
        json.loads(line) for line in done.out.splitlines()
    ]


def test_the_application_may_come_from_the_settings(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEIJUNKA_APP", SHOP)

    assert f"{NOBODY} unknown\n" == call("cancel", NOBODY).out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        pytest.param([SHOP], "error: no job is named", id="no job"),
        pytest.param([SHOP, "note"], "error: 'note' is no job's id", id="no id"),
        pytest.param([str(uuid.uuid4())], "error: no application is named", id="no application"),
    ],
)
def test_what_cannot_be_meant_is_told_with_a_hint_and_nothing_is_cancelled(
    call: Call, words: list[str], error: str
) -> None:
    done = call("cancel", *words)

    assert (2, "") == (done.code, done.out)
    assert error == done.err.splitlines()[0]
    assert done.err.splitlines()[1].startswith("hint: ")
