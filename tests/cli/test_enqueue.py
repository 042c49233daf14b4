"""`heijunka enqueue`: what a shell passes becomes what the task's signature says, or nothing is enqueued."""

from __future__ import annotations

import io
import json
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from heijunka import commands, wire
from heijunka.broker.client import Client
from heijunka.commands import Depths
from heijunka.keys import domain_keys
from tests.cli import shop
from tests.cli.conftest import SHOP, Call, Done, Start
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until

Look = Callable[..., Depths]
CHARGE = "charge(order: UUID, amount: Decimal, currency: Currency = <Currency.EUR: 'eur'>, at: datetime | None = None)"
ORDER = uuid.UUID("018f2c3e-0000-7000-8000-000000000001")


@pytest.fixture
def enqueued(client: Client, namespace: str) -> Any:
    """The jobs of a domain as (task, arguments), decoded as a worker would, oldest first."""

    def enqueued(domain: str = "payment") -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
        keys = domain_keys(namespace, domain)
        found = []
        for stream in keys.sources:
            for _, fields in client.plain("XRANGE", stream, "-", "+"):
                job = wire.decode_job(dict(zip(fields[::2], fields[1::2], strict=True))[b"j"])
                found.append((job.task, *shop.app.named(job.task).signature.decode(job.args)))
        return found

    return enqueued


@pytest.fixture
def depths(client: Client, namespace: str) -> Look:
    """What a domain holds."""
    return lambda domain="payment": client.execute(commands.depths(domain_keys(namespace, domain)))


def said(done: Done) -> list[str]:
    assert "" == done.out
    return done.err.splitlines()


# -- what words mean --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "words", "expected"),
    [
        ("charge", [str(ORDER), "9.90"], ((ORDER, Decimal("9.90")), {})),
        ("charge", [f'"{ORDER}"', "9"], ((ORDER, Decimal(9)), {})),
        ("charge", ["amount=1e3", f"order={ORDER}", "currency=yen"], ((ORDER, Decimal(1000), shop.Currency.YEN), {})),
        ("charge", [str(ORDER), "0.1", "at=2030-01-01T09:00:00Z"],
         ((ORDER, Decimal("0.1")), {"at": datetime(2030, 1, 1, 9, tzinfo=UTC)})),
        ("charge", [str(ORDER), "0.1", "eur", "null"], ((ORDER, Decimal("0.1"), shop.Currency.EUR, None), {})),
        ("note", ["hello"], (("hello",), {})),
        ("note", ["7"], (("7",), {})),
        ("note", ["true"], (("true",), {})),
        ("note", ["null"], (("null",), {})),
        ("note", ['"quoted"'], (("quoted",), {})),
        ("note", ['{"a": 1}'], (('{"a": 1}',), {})),
        ("note", [""], (("",), {})),
        ("note", ["text="], (("",), {})),
        ("note", ["text=a=b", "urgent=true", "times=3"], (("a=b", 3), {"urgent": True})),
        ("note", ['"a=b"'], (("a=b",), {})),
        ("note", ["a b=c"], (("a b=c",), {})),
        ("note", ["--", "-5", "-5"], (("-5", -5), {})),
        ("deliver", ['{"to": "Kyoto", "grams": 3}', "1", "2", "why=because"],
         ((shop.Parcel("Kyoto", 3), 1, 2), {"why": "because"})),
        ("greet", ['{"name": "Ada", "age": 36}', "1.5"], ((shop.Customer(name="Ada", age=36), 1.5), {})),
        ("greet", ["null", '{"a": [1, null]}'], ((None, {"a": [1, None]}), {})),
        ("greet", ["null", "plain text"], ((None, "plain text"), {})),
    ],
)  # fmt: skip
def test_words_become_what_the_signature_says(
    call: Call, enqueued: Any, task: str, words: list[str], expected: tuple[tuple[Any, ...], dict[str, Any]]
) -> None:
    done = call("enqueue", SHOP, task, *words)

    assert (0, "") == (done.code, done.err)
    assert [(task, *expected)] == enqueued(shop.app.named(task).task_options.domain)


@pytest.mark.parametrize(
    ("task", "words", "error"),
    [
        ("charge", ["7", "1"], "charge cannot take order '7': Expected uuid, got int"),
        ("charge", ["order-7", "1"], "charge cannot take order 'order-7': Invalid UUID"),
        ("charge", [str(ORDER), "much"], "charge cannot take amount 'much': Invalid decimal string"),
        ("charge", [str(ORDER), "1", "gold"], "charge cannot take currency 'gold': Invalid enum value 'gold'"),
        ("note", ["hi", "1.5"], "note cannot take times '1.5': Expected int, got float"),
        ("note", ["hi", "times=NaN"], "note cannot take times 'NaN': Expected int, got str"),
        ("note", ["hi", "urgent=yes"], "note cannot take urgent 'yes': Expected bool, got str"),
        ("deliver", ['{"to": 1}'], "deliver cannot take parcel '{\"to\": 1}': Expected str, got int - at $.to"),
        ("charge", [str(ORDER)], "charge: missing a required argument: 'amount'"),
        ("note", ["hi", "1", "true"], "note: too many positional arguments"),
        ("note", ["hi", "text=ho"], "note: multiple values for argument 'text'"),
        ("note", ["times=1", "times=2"], "note is given times twice"),
        ("note", ["hi", "\x1b[2J"], r"note cannot take times '\\x1b[2J': Expected int, got str"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_enqueued(
    call: Call, depths: Look, task: str, words: list[str], error: str
) -> None:
    done = call("enqueue", SHOP, task, *words)

    assert 2 == done.code
    assert f"error: {error}" == said(done)[0]
    assert 0 == depths(shop.app.named(task).task_options.domain).load


def test_the_hint_is_the_tasks_call_as_it_is_written(call: Call) -> None:
    assert [
        "error: charge: missing a required argument: 'order'",
        f"hint: {CHARGE}",
    ] == said(call("enqueue", SHOP, "charge"))


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("tiems=3", "did you mean 'times'?"),
        ("x=3", "note(text: str, times: int = 1, *, urgent: bool = False); a text with = in it is written '\"x=…\"'"),
    ],
)
def test_a_name_the_task_does_not_have_is_refused_rather_than_taken_for_a_text(
    call: Call, word: str, hint: str
) -> None:
    assert [f"error: note has no parameter {word.split('=', maxsplit=1)[0]!r}", f"hint: {hint}"] == said(
        call("enqueue", SHOP, "note", word)
    )


def test_a_negative_number_gets_the_hint_it_needs(call: Call) -> None:
    assert [
        "error: there is no option -5",
        "hint: write -- before arguments that begin with a dash",
    ] == said(call("enqueue", SHOP, "note", "hi", "-5"))


# -- all at once ------------------------------------------------------------------------------------


def test_args_takes_all_arguments_by_name_or_by_place(
    call: Call, enqueued: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_name = {"order": str(ORDER), "amount": 9.9}
    call("enqueue", SHOP, "charge", "--args", json.dumps(by_name))
    call("enqueue", SHOP, "charge", "--args", json.dumps([str(ORDER), "9.90"]))
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"text": "x" * 200_000})))
    call("enqueue", SHOP, "note", "--args", "-")
    call("enqueue", SHOP, "deliver", "--args", '[{"to": "Kyoto"}, 1, 2]')

    assert [
        ("charge", (ORDER, Decimal("9.9")), {}),
        ("charge", (ORDER, Decimal("9.90")), {}),
        ("note", ("x" * 200_000,), {}),
    ] == enqueued()
    assert [("deliver", (shop.Parcel("Kyoto"), 1, 2), {})] == enqueued("delivery")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--args", "{"], "--args is no JSON object or array: Input data was truncated"),
        (["--args", "7"], "--args is no JSON object or array: Expected `object | array`, got `int`"),
        (["--args", '{"text": 7}'], "note cannot take text '7': Expected str, got int"),
        (["--args", '{"txet": "a"}'], "note has no parameter 'txet'"),
        (["--args", '["a", 1, 2]'], "note: too many positional arguments"),
        (["a", "--args", "{}"], "arguments are given twice"),
    ],
)
def test_args_that_do_not_fit_are_told(call: Call, words: list[str], error: str) -> None:
    done = call("enqueue", SHOP, "note", *words)

    assert (2, f"error: {error}") == (done.code, said(done)[0])


# -- options ----------------------------------------------------------------------------------------


def test_it_prints_the_jobs_id_and_nothing_else(call: Call, depths: Look) -> None:
    done = call("enqueue", SHOP, "note", "hi")

    assert (0, "") == (done.code, done.err)
    assert "queued" == shop.app.named("note").job(done.out.strip()).status().state
    assert 1 == depths().ready["normal"]


def test_json_prints_what_is_known_of_the_job(call: Call) -> None:
    done = call("enqueue", SHOP, "note", "hi", "--json")

    found = json.loads(done.out)
    assert ["id", "task", "domain", "accepted_ms"] == list(found)
    assert ("note", "payment", uuid.UUID(found["id"]).version) == (found["task"], found["domain"], 7)


def test_priority_delay_and_time_say_where_it_waits(call: Call, depths: Look, client: Client, namespace: str) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    call("enqueue", SHOP, "note", "a", "--priority", "high")
    call("enqueue", SHOP, "note", "b", "--delay", "1h")
    call("enqueue", SHOP, "note", "c", "--at", tomorrow.isoformat())

    found = depths()
    due = client.plain("ZRANGE", domain_keys(namespace, "payment").scheduled, 0, -1, "WITHSCORES")[1::2]
    assert ({"high": 1, "normal": 0, "low": 0}, 2) == (found.ready, found.scheduled)
    assert round(tomorrow.timestamp() * 1_000) == int(due[1])


@pytest.mark.parametrize(("deadline", "left_ms"), [("1h", 3_600_000), ("30", 30_000), ("2040-01-01T00:00Z", None)])
def test_a_deadline_is_a_duration_or_a_time(
    call: Call, client: Client, namespace: str, deadline: str, left_ms: int | None
) -> None:
    done = call("enqueue", SHOP, "note", "a", "--deadline", deadline, "--json")

    [(_, [_, blob])] = client.plain("XRANGE", domain_keys(namespace, "payment").ready[1], "-", "+")
    job = wire.decode_job(blob)
    expected = datetime(2040, 1, 1, tzinfo=UTC).timestamp() * 1_000
    if left_ms is not None:
        expected = json.loads(done.out)["accepted_ms"] + left_ms
    assert job.deadline_ms is not None
    assert abs(expected - job.deadline_ms) < 5_000, "by Redis's clock, asked for a moment before"


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        (["--delay", "soon"], "delay 'soon' is not a duration",
         'write seconds (30, 0.5) or text such as "90s", "5m", "1h30m"'),
        (["--delay=-5s"], "delay '-5s' is negative", "a duration is 0 or more"),
        (["--at", "tomorrow"], "--at 'tomorrow' is no time", "write it as 2030-01-01T09:00+01:00"),
        (["--at", "2030-01-01T09:00"], "at 2030-01-01T09:00:00 has no time zone",
         "pass an aware datetime, for example datetime.now(UTC) + timedelta(hours=1)"),
        (["--delay", "1s", "--at", "2030-01-01T09:00Z"], "delay and at exclude each other", None),
        (["--deadline", "later"], "--deadline 'later' is no time", "write it as 2030-01-01T09:00+01:00"),
        (["--deadline=-1h"], "deadline '-1h' is negative", "a duration is 0 or more"),
        (["--wait=long"], "wait 'long' is not a duration",
         'write seconds (30, 0.5) or text such as "90s", "5m", "1h30m"; without a duration, write --wait last'),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_told_and_nothing_is_enqueued(
    call: Call, depths: Look, options: list[str], error: str, hint: str | None
) -> None:
    done = call("enqueue", SHOP, "note", "hi", *options)

    assert (2, [f"error: {error}", *([f"hint: {hint}"] if hint else [])]) == (done.code, said(done))
    found = depths()
    assert (0, 0) == (found.load, found.scheduled)


# -- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [("chrage", "did you mean 'charge'?"), ("x", "its tasks are charge, note, deliver, greet, forgetful, refuse")],
)
def test_a_task_that_is_not_there_is_not_found(call: Call, name: str, hint: str) -> None:
    done = call("enqueue", SHOP, name)

    assert (3, [f"error: shop has no task {name!r}", f"hint: {hint}"]) == (done.code, said(done))


@pytest.mark.parametrize("words", [("note", "hi"), (SHOP, "note", "hi")])
def test_the_application_may_be_left_out_when_it_is_configured(
    call: Call, enqueued: Any, words: tuple[str, ...]
) -> None:
    Path("heijunka.toml").write_text(f"app = '{SHOP}'\n")

    assert 0 == call("enqueue", *words).code
    assert [("note", ("hi",), {})] == enqueued()


def test_a_flag_says_which_redis_and_which_namespace(
    call: Call, depths: Look, redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEIJUNKA_REDIS_URL", "redis://localhost:1/0")
    monkeypatch.setenv("HEIJUNKA_NAMESPACE", "elsewhere")

    assert 0 == call("enqueue", SHOP, "note", "hi", "--redis-url", redis_url, "--namespace", namespace).code
    assert 1 == depths().load


def test_a_payload_that_is_too_large_is_told_with_its_size(call: Call) -> None:
    done = call("enqueue", SHOP, "note", "x" * 300_000)

    assert 2 == done.code
    assert "error: the arguments of note take 300,011 bytes, more than max_payload, 262,144" == said(done)[0]


def test_without_redis_it_says_so_and_ends_with_69(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEIJUNKA_REDIS_TIMEOUT", "50ms")

    done = call("enqueue", SHOP, "note", "hi", "--redis-url", "redis://:s3cret@localhost:1/0")

    assert 69 == done.code
    assert said(done)[0].startswith("error: Redis at redis://:***@localhost:1/0 cannot be reached: ")
    assert "hint: is it running, and is the URL right? `heijunka doctor` looks" == said(done)[1]


# -- waiting ----------------------------------------------------------------------------------------


def test_wait_prints_the_result_as_json(run: Call, start: Start, depths: Look) -> None:
    waiting = start("enqueue", SHOP, "charge", str(ORDER), "9.90", "--wait")
    wait_until(lambda: depths().load == 1)

    assert 0 == run("worker", SHOP, "--burst", "-n", "1").code

    out, err = waiting.communicate(timeout=30)
    assert [str(ORDER), "9.90", "eur", None] == json.loads(out)
    assert err.startswith("waiting for ")
    assert 0 == waiting.returncode


def test_who_waits_for_a_result_asks_for_one(run: Call, start: Start, depths: Look) -> None:
    waiting = start("enqueue", SHOP, "forgetful", "7", "--wait", "30s", "--json")
    wait_until(lambda: depths("delivery").load == 1)

    assert 0 == run("worker", SHOP, "--burst", "-n", "1").code

    out, _ = waiting.communicate(timeout=30)
    assert ("forgetful", 7) == (json.loads(out)["task"], json.loads(out)["result"])


def test_a_job_that_fails_is_told_and_ends_with_1(run: Call, start: Start, depths: Look) -> None:
    waiting = start("enqueue", SHOP, "refuse", "no\x1b[2J\ncard", "--wait")
    wait_until(lambda: depths("delivery").load == 1)

    worker = run("worker", SHOP, "--burst", "-n", "1")

    out, err = waiting.communicate(timeout=30)
    assert (1, "") == (waiting.returncode, out)
    assert err.splitlines()[1].endswith(r"failed (retries): ValueError: no\x1b[2J card")
    assert r"shop.delivery: refusing: no\x1b[2J" in worker.err
    assert "\x1b" not in worker.err + err


def test_a_wait_that_is_over_ends_with_75_and_leaves_the_job(call: Call, depths: Look) -> None:
    done = call("enqueue", SHOP, "note", "hi", "--wait", "10ms")

    assert (75, "") == (done.code, done.out)
    assert done.err.splitlines()[1].endswith("has not ended within 0.01 s")
    assert "hint: the job stays enqueued" == done.err.splitlines()[2]
    assert 1 == depths().load


def test_a_full_redis_refuses_and_has_written_nothing(call: Call, fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    server.driver().config_set("maxmemory", "1")

    done = call("enqueue", SHOP, "note", "hi", "--redis-url", server.url)

    assert 69 == done.code
    assert said(done)[0].startswith("error: Redis is at its maxmemory; nothing was written")
    assert "hint: raise maxmemory, or let workers drain the queue: they still can" == said(done)[1]
    assert 0 == server.driver().dbsize()
