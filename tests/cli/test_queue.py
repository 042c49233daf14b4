"""`heijunka queue`: queues are listed, paused, resumed and purged from a shell."""

from __future__ import annotations

import io
import json

import pytest

from tests.cli.conftest import SHOP, Call


def test_a_queue_is_paused_and_resumed(call: Call) -> None:
    paused = call("queue", "pause", SHOP, "low.payment")
    call("enqueue", SHOP, "note", "hi")
    found = json.loads(call("queue", "show", SHOP, "payment", "--json").out)
    resumed = call("queue", "resume", SHOP, "low.payment", "--json")

    assert (0, ["low.payment", "0", "0", "paused"]) == (paused.code, paused.out.splitlines()[1].split())
    assert [("high", False, 0), ("normal", False, 1), ("low", True, 0)] == [
        (each["priority"], each["paused"], each["waiting"]) for each in found
    ]
    assert (0, False) == (resumed.code, json.loads(resumed.out)[0]["paused"])


def test_the_list_has_the_queues_of_every_domain(call: Call) -> None:
    listed = json.loads(call("queue", "list", SHOP, "--json").out)
    one = call("queue", "list", SHOP, "-d", "payment").out

    assert {"high.payment", "normal.payment", "low.payment"} < {each["name"] for each in listed}
    assert ["QUEUE", "high.payment", "normal.payment", "low.payment"] == [line.split()[0] for line in one.splitlines()]


def test_a_purge_asks_first(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("enqueue", SHOP, "note", "hi")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    refused = call("queue", "purge", SHOP, "normal.payment")

    assert (1, True) == (refused.code, refused.err.endswith("aborted\n"))
    assert "End 1 job waiting in normal.payment?" in refused.err
    assert 1 == json.loads(call("queue", "show", SHOP, "normal.payment", "--json").out)[0]["waiting"]


def test_a_purge_tells_how_many_it_ended(call: Call) -> None:
    call("enqueue", SHOP, "note", "hi")

    first = call("queue", "purge", SHOP, "normal.payment", "--yes")
    second = call("queue", "purge", SHOP, "payment", "-y", "--json")

    assert (0, "purged 1\n") == (first.code, first.err)
    assert (0, {"queue": "payment", "purged": 0}) == (second.code, json.loads(second.out))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pause", SHOP, "paymnet"), "has no domain 'paymnet'\nhint: did you mean 'payment'?"),
        (("pause", SHOP, "high.paymnet"), "has no domain 'paymnet'\nhint: did you mean 'payment'?"),
        (("list", SHOP, "-d", "paymnet"), "has no domain 'paymnet'\nhint: did you mean 'payment'?"),
        (("pause", "High payment"), "domain 'High payment' is not a valid name"),
        (("pause",), "one queue is to be named"),
        (("list",), "no domain is named"),
        (("puase", "payment"), "did you mean 'pause'?"),
    ],
)
def test_a_mistake_is_told(call: Call, words: tuple[str, ...], says: str) -> None:
    done = call("queue", *words)

    assert (2, True) == (done.code, says in done.err), done.err
