"""`heijunka dlq`: dead letters in a shell."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heijunka import wire
from heijunka.errors import RedisUnreachable
from heijunka.keys import DomainKeys
from heijunka_cli.dlq import view
from tests.cli.conftest import SHOP, Call, Start
from tests.fixtures.letters import bury, entries, failure
from tests.fixtures.samples import samples
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot

ORDER = "018f2c3e-0000-7000-8000-000000000001"
TRACE = 'Traceback (most recent call last):\n  File "/app/shop.py", line 7, in note\n    no()\nValueError: no'
Die = Callable[..., str]


@pytest.fixture
def die(redis: Driver, namespace: str) -> Die:
    """Lets a job of the shop die; its letter's entry id."""

    def died(
        task: str = "note",
        args: Any = None,
        *,
        domain: str = "payment",
        reason: str = "retries",
        message: str = "no such card",
        trace: str = "",
        at: int | None = None,
    ) -> str:
        encoded = wire.raw(msgspec.msgpack.encode({"text": "hi"} if args is None else args))
        job = wire.encode_job(wire.Job(wire.FORMAT, wire.new_id(), task, encoded, 5))
        record = failure(reason, message, traceback=trace)
        return bury(redis, DomainKeys(namespace, domain), job, reason=reason, record=record, at=at)

    return died


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts text where the command reads answers from."""

    def typed(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return typed


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Makes $EDITOR a program that runs some Python over `text` and writes what that made of it."""

    def edits(code: str) -> None:
        program = tmp_path / "editor.py"
        program.write_text(
            f"import json, pathlib, sys\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n{code}\n"
            "stat = path.stat()\npath.write_text(text)\nimport os\nos.utime(path, (stat.st_atime, stat.st_mtime + 2))\n"
        )
        monkeypatch.setenv("VISUAL", f"{sys.executable} {program}")

    return edits


def lines(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


# -- list ----------------------------------------------------------------------------------------


def test_list_shows_letters_of_all_domains_the_newest_first(call: Call, die: Die, redis: Driver) -> None:
    now = redis.time()[0] * 1_000
    old = die(at=now - 10 * 86_400_000, reason="poison", message="")
    young = die("refuse", domain="delivery", at=now - 90_000)

    done = call("dlq", "list", SHOP)

    header, first, second = done.out.splitlines()
    assert ["LETTER", "AGE", "DOMAIN", "TASK", "REASON", "FINGERPRINT", "ERROR"] == header.split()
    assert [young, "delivery", "refuse", "retries"] == [first.split()[at] for at in (0, 3, 4, 5)]
    assert first.endswith("ValueError: no such card")
    assert [old, "10", "d", "payment", "note", "poison"] == second.split()[:6]
    assert (0, "") == (done.code, done.err)


def test_list_prints_a_json_object_a_line(call: Call, die: Die) -> None:
    first, second = die(), die(reason="final")

    done = call("dlq", "list", SHOP, "--json", "--oldest")

    listed = lines(done.out)
    assert [first, second] == [each["letter"] for each in listed]
    assert {
        "domain", "letter", "id", "task", "reason", "fingerprint", "error_type", "message", "attempt", "deliveries",
        "worker", "since_ms",
    } == set(listed[0])  # fmt: skip
    assert ("payment", "note", "retries", "ValueError", 5, "worker-1") == tuple(
        listed[0][name] for name in ("domain", "task", "reason", "error_type", "attempt", "worker")
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--task", "refuse"], [2]),
        (["--reason", "poison"], [1]),
        (["--domain", "payment"], [0, 1]),
        (["-d", "payment", "-d", "delivery", "--older-than", "1d"], [0, 2]),
        (["--newer-than", "1d"], [1]),
        (["--limit", "0"], [0, 1, 2]),
    ],
)
def test_list_chooses(call: Call, die: Die, redis: Driver, *, words: list[str], expected: list[int]) -> None:
    now = redis.time()[0] * 1_000
    buried = [
        die(at=now - 4 * 86_400_000),
        die(reason="poison"),
        die("refuse", domain="delivery", at=now - 3 * 86_400_000),
    ]

    done = call("dlq", "list", SHOP, "--json", *words)

    assert {buried[index] for index in expected} == {each["letter"] for each in lines(done.out)}


def test_a_fingerprint_from_a_list_chooses_what_failed_alike(call: Call, die: Die) -> None:
    die(message="other")
    alike = [die(message=f"card {number} is stolen") for number in (1, 2)]
    print_ = lines(call("dlq", "list", SHOP, "--json", "--limit", "1").out)[0]["fingerprint"]

    done = call("dlq", "list", SHOP, "--json", "--oldest", "--fingerprint", print_[:5])

    assert alike == [each["letter"] for each in lines(done.out)]


def test_list_says_when_there_are_more(call: Call, die: Die) -> None:
    for _ in range(3):
        die()

    more, all_ = call("dlq", "list", SHOP, "--limit", "2"), call("dlq", "list", SHOP, "--limit", "3")

    assert (3, "the first 2 only; --limit 0 shows all\n") == (len(more.out.splitlines()), more.err)
    assert (4, "") == (len(all_.out.splitlines()), all_.err)


def test_list_groups_letters_that_are_alike(call: Call, die: Die) -> None:
    for number in range(3):
        die(message=f"card {number} is stolen")
    die("refuse", domain="delivery", reason="poison")

    by_print = lines(call("dlq", "list", SHOP, "--group", "fingerprint", "--json").out)
    by_reason = call("dlq", "list", SHOP, "--group", "reason")

    assert [3, 1] == [group["letters"] for group in by_print]
    assert by_print[0]["key"] == by_print[0]["example"]["fingerprint"]
    header, first, second = by_reason.out.splitlines()
    assert ["LETTERS", "NEWEST", "OLDEST", "DOMAIN", "REASON", "EXAMPLE"] == header.split()
    assert first.split()[0] == "3"
    assert first.endswith("note retries: ValueError: card 2 is stolen")
    assert ("1", "poison") == (second.split()[0], second.split()[6])


def test_without_letters_there_is_nothing_on_stdout(call: Call) -> None:
    assert (0, "", "no such letters\n") == call("dlq", "list", SHOP)
    assert (0, "", "no such letters\n") == call("dlq", "list", SHOP, "--group", "task", "--json")


def test_what_a_letter_says_does_nothing_to_a_terminal(call: Call, die: Die) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\nfake line\u202e"
    entry = die(evil, {"text": evil, evil: evil.encode()}, reason=evil, message=evil, trace=f"{TRACE}\n{evil}")

    said = [
        call("dlq", "list", SHOP),
        call("dlq", "list", SHOP, "--json"),
        call("dlq", "list", SHOP, "--group", "reason"),
        call("dlq", "show", SHOP, entry),
        call("dlq", "show", SHOP, entry, "--json"),
        call("dlq", "export", SHOP),
        call("dlq", "edit", SHOP, entry, "--set", "text=1"),
    ]

    for done in said:
        assert not {"\x1b", "\x07", "\u202e"} & set(done.out + done.err)
    assert not [done for done in said if "fake line" in (line.strip() for line in done.out.splitlines())]
    assert evil == json.loads(said[4].out)["reason"]


def test_head_of_a_long_list_reads_no_more_than_it_needs(start: Start, redis: Driver, namespace: str) -> None:
    keys = DomainKeys(namespace, "payment")
    for job in samples(2_000):
        bury(redis, keys, job)

    process = start("dlq", "list", "--domain", "payment", "--limit", "0", "--json")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.stdout.close()

    assert entries(redis, keys)[-1] == first["letter"]
    assert 141 == process.wait(timeout=45)


# -- show ----------------------------------------------------------------------------------------


def test_show_has_arguments_in_their_types_and_the_traceback(call: Call, die: Die) -> None:
    entry = die("charge", {"order": ORDER, "amount": "9.90"}, trace=TRACE)

    done = call("dlq", "show", SHOP, entry)

    for line in (
        f"letter       {entry} of payment",
        "task         charge",
        "reason       retries",
        "error        ValueError: no such card",
        "attempt      5",
        "worker       worker-1",
    ):
        assert line in done.out.splitlines()
    assert "arguments    order = UUID('018f2c3e-0000-7000-8000-000000000001')\n" in done.out
    assert "             amount = Decimal('9.90')\n" in done.out
    assert '\n    File "/app/shop.py", line 7, in note\n' in done.out
    assert (0, "") == (done.code, done.err)


def test_show_has_the_errors_of_the_attempts_before(
    call: Call, redis: Driver, keys: DomainKeys, namespace: str
) -> None:
    before = (wire.FailedAttempt(4, "shop.Busy", "try\n\x1b[2Jlater", "worker-9", 1_767_225_600_000),)
    job = wire.Job(wire.FORMAT, wire.new_id(), "note", wire.raw(b"\x80"), 5, errors=before)
    entry = bury(redis, DomainKeys(namespace, "payment"), wire.encode_job(job))

    text, facts = call("dlq", "show", SHOP, entry).out, json.loads(call("dlq", "show", SHOP, entry, "--json").out)

    first, second = [line for line in text.splitlines() if "(worker-" in line]
    assert first.startswith("attempts     4 2026-01-01 00:00:00+00:00 shop.Busy: try")
    assert second == "             5 1970-01-01 00:00:00+00:00 ValueError: no such card (worker-1)"
    assert "\x1b" not in text
    assert [(4, "shop.Busy"), (5, "ValueError")] == [(each["attempt"], each["error_type"]) for each in facts["errors"]]


def test_show_without_an_application_has_arguments_as_they_are_stored(call: Call, die: Die) -> None:
    entry = die("charge", {"order": ORDER, "photo": b"\x00"})

    done = call("dlq", "show", entry, "--domain", "payment")

    assert f'arguments    order = "{ORDER}"\n' in done.out
    assert '             photo = {"$base64": "AA=="}\n' in done.out


def test_show_says_why_arguments_do_not_fit(call: Call, die: Die) -> None:
    entry = die("charge", {"order": "A1"})

    text, facts = call("dlq", "show", SHOP, entry), json.loads(call("dlq", "show", SHOP, entry, "--json").out)

    assert 'arguments    order = "A1"\n' in text.out
    assert "as they are stored: arguments of charge: " in text.out
    assert facts["misfit"].startswith("arguments of charge: ")
    assert {"order": "A1"} == facts["arguments"]


def test_show_json_has_everything(call: Call, die: Die, redis: Driver, namespace: str) -> None:
    entry = die("note", {"text": "hi"}, trace=TRACE)
    job_id = json.loads(call("dlq", "list", SHOP, "--json").out)["id"]

    facts = json.loads(call("dlq", "show", SHOP, job_id.upper(), "--json").out)

    [letter] = snapshot(redis, DomainKeys(namespace, "payment")).dead
    assert (entry, {"text": "hi"}, None, []) == tuple(facts[key] for key in ("letter", "arguments", "misfit", "notes"))
    assert letter.job == base64.b64decode(facts["payload"])
    assert TRACE == facts["failure"]["traceback"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["show", SHOP, "1-1"], 3, "there is no dead letter 1-1 in payment, delivery"),
        (["retry", SHOP, "1-1"], 3, "there is no dead letter 1-1"),
        (["purge", SHOP, "1-1", "--yes"], 3, "there is no dead letter 1-1"),
        (["edit", SHOP, "1-1", "--set", "a=1"], 3, "there is no dead letter 1-1"),
        (["show", SHOP], 2, "name one letter"),
        (["list"], 2, "no domain is named"),
        (["list", SHOP, "nonsense"], 2, "'nonsense' names no letter"),
        (["list", SHOP, "1-1", "--group", "task"], 2, "letters are named, or grouped"),
        (["list", SHOP, "--older-than", "soon"], 2, "older_than 'soon' is not a duration"),
        (["list", SHOP, "--fingerprint", "x"], 2, "fingerprint 'x' is none"),
        (["list", "--domain", "Pay ment"], 2, "domain 'Pay ment' is not a valid name"),
        (["retry", SHOP], 2, "every letter of every domain"),
        (["purge", SHOP, "--yes"], 2, "every letter of every domain"),
        (["purge", SHOP, "--keep", "3", "--task", "note"], 2, "--keep goes with"),
        (["retry", SHOP, "--all", "--rate", "fast"], 2, "rate 'fast' is none"),
        (["edit", SHOP, "1-1", "--set", "a"], 3, ""),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_line_and_a_hint(
    call: Call, *, words: list[str], code: int, says: str
) -> None:
    done = call("dlq", *words)

    assert (code, "") == (done.code, done.out)
    error, hint, *more = [*done.err.splitlines(), ""]
    assert error.startswith("error: ")
    assert says in error
    assert hint.startswith("hint: ") or "--group" in words or "--keep" in words
    assert [] == [line for line in more if line]


def test_a_name_that_two_domains_have_must_be_told_apart(call: Call, die: Die, redis: Driver, namespace: str) -> None:
    for domain in ("payment", "delivery"):
        redis.xadd(DomainKeys(namespace, domain).dead, {"j": b"", "r": "retries", "f": b""}, id="5-5")

    both, one = call("dlq", "show", SHOP, "5-5"), call("dlq", "show", SHOP, "5-5", "--domain", "delivery")

    assert (2, "error: payment and delivery have a letter 5-5 each\nhint: write --domain payment\n") == (
        both.code,
        both.err,
    )
    assert one.out.startswith("letter       5-5 of delivery\n")


# -- retry ---------------------------------------------------------------------------------------


def test_retry_makes_jobs_of_the_named_letters_without_asking(
    call: Call, die: Die, redis: Driver, namespace: str
) -> None:
    named, stays = die(), die()

    done = call("dlq", "retry", SHOP, named)

    keys = DomainKeys(namespace, "payment")
    assert (0, "", "retried 1\n") == done
    assert ([stays], 1) == (entries(redis, keys), len(snapshot(redis, keys).ready_normal))


def test_retry_asks_and_does_nothing_at_a_no(
    call: Call, die: Die, types: Callable[[str], None], redis: Driver, namespace: str
) -> None:
    die()
    before = snapshot(redis, DomainKeys(namespace, "payment"))

    types("n\n")
    refused = call("dlq", "retry", SHOP, "--domain", "payment")
    types("")
    silent = call("dlq", "purge", SHOP, "--domain", "payment")

    assert (1, "") == (refused.code, refused.out)
    assert "Retry 1 letter of payment?" in refused.err
    assert refused.err.endswith("aborted\n")
    assert "Purge 1 letter of payment?" in silent.err
    assert 1 == silent.code
    assert before == snapshot(redis, DomainKeys(namespace, "payment"))


def test_retry_at_a_yes(call: Call, die: Die, types: Callable[[str], None], redis: Driver, namespace: str) -> None:
    die(reason="poison")
    stays = die()

    types("y\n")
    done = call("dlq", "retry", SHOP, "--reason", "poison", "--priority", "high")

    keys = DomainKeys(namespace, "payment")
    assert (0, "retried 1") == (done.code, done.err.splitlines()[-1].rpartition("]: ")[2])
    assert ([stays], 1) == (entries(redis, keys), len(snapshot(redis, keys).ready_high))


def test_retry_asks_nothing_when_there_is_nothing(call: Call) -> None:
    assert (0, "", "no such letters\n") == call("dlq", "retry", SHOP, "--all")


def test_retry_at_a_rate_gives_every_job_its_moment(call: Call, die: Die, redis: Driver, namespace: str) -> None:
    for _ in range(4):
        die()
    die(domain="delivery")

    done = call("dlq", "retry", SHOP, "-d", "payment", "--rate", "30/m", "--yes", "--json")

    scheduled = snapshot(redis, DomainKeys(namespace, "payment")).scheduled
    due = [moment for moment, _, _ in scheduled]
    assert {"retried": 4, "absent": 0, "last_due_ms": due[-1], "dry_run": False} == json.loads(done.out)
    assert {2_000} == {later - sooner for sooner, later in itertools.pairwise(due)}


def test_a_dry_run_only_counts(call: Call, die: Die, redis: Driver, namespace: str) -> None:
    for reason in ("poison", "retries", "poison"):
        die(reason=reason)
    before = snapshot(redis, DomainKeys(namespace, "payment"))

    retry = call("dlq", "retry", SHOP, "--reason", "poison", "--dry-run")
    purge = call("dlq", "purge", SHOP, "--all", "--dry-run", "--json")

    assert (0, "", "would retry 2\n") == retry
    assert {"purged": 3, "dry_run": True} == json.loads(purge.out)
    assert before == snapshot(redis, DomainKeys(namespace, "payment"))


def test_a_limit_counts_over_all_domains(call: Call, die: Die, redis: Driver, namespace: str) -> None:
    for domain in ("payment", "delivery"):
        for _ in range(2):
            die(domain=domain)

    done = call("dlq", "retry", SHOP, "--all", "--yes", "--limit", "3")

    left = [len(entries(redis, DomainKeys(namespace, domain))) for domain in ("payment", "delivery")]
    assert ("retried 3\n", [0, 1]) == (done.err, left)


# -- edit ----------------------------------------------------------------------------------------


def test_edit_sets_and_unsets_arguments_and_prints_the_new_name(
    call: Call, die: Die, redis: Driver, namespace: str
) -> None:
    entry = die("note", {"text": "hi", "times": 2})

    done = call("dlq", "edit", SHOP, entry, "--set", 'text="ho"', "--set", "urgent=true", "--unset", "times")

    assert (0, entries(redis, DomainKeys(namespace, "payment"))) == (done.code, done.out.split())
    facts = json.loads(call("dlq", "show", SHOP, done.out.strip(), "--json").out)
    assert {"text": "ho", "urgent": True} == facts["arguments"]
    assert ["text set, urgent set, times dropped"] == [note["said"] for note in facts["notes"]]
    assert "changes      " in call("dlq", "show", SHOP, done.out.strip()).out


def test_edit_opens_an_editor(call: Call, die: Die, editor: Callable[[str], None]) -> None:
    entry = die("charge", {"order": ORDER, "amount": "1"})
    editor("""args = json.loads(text); del args["amount"]; args["amount"] = "2.50"; text = json.dumps(args)""")

    done = call("dlq", "edit", SHOP, entry, "--json")

    facts = json.loads(done.out)
    assert {"order": ORDER, "amount": "2.50"} == facts["arguments"]
    assert "amount set" == facts["notes"][0]["said"]


def test_edit_keeps_what_nobody_touched(call: Call, die: Die, editor: Callable[[str], None]) -> None:
    entry = die("note", {"text": "hi"})

    editor("")
    assert (0, "", "nothing changed\n") == call("dlq", "edit", SHOP, entry)
    editor("text = json.dumps(json.loads(text), indent=7)")
    assert (0, "", "nothing changed\n") == call("dlq", "edit", SHOP, entry)


def test_edit_lets_a_mistake_be_corrected_or_given_up(
    call: Call, die: Die, editor: Callable[[str], None], types: Callable[[str], None]
) -> None:
    entry = die("note", {"text": "hi"})
    editor("""text = '{"text": "ho"}' if text.strip() == "oops" else 'oops'""")

    types("n\n")
    given_up = call("dlq", "edit", SHOP, entry)
    types("y\n")
    corrected = call("dlq", "edit", SHOP, entry, "--json")

    assert 1 == given_up.code
    assert "that is no JSON" in given_up.err
    assert {"text": "ho"} == json.loads(corrected.out[corrected.out.index("{") :])["arguments"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "times=many"], "--set times: the value is no JSON"),
        (["--set", 'times="many"'], "arguments of note: "),
        (["--set", "tmies=2"], "arguments of note: "),
        (["--unset", "text"], "arguments of note: "),
        (["--unset", "times"], "note was called without 'times'"),
        (["--set", 'text={"$base64": "?"}'], "not a value"),
        (["--set", "=1"], "is no NAME=JSON"),
    ],
)
def test_edit_refuses_what_the_task_cannot_be_called_with(
    call: Call, die: Die, redis: Driver, namespace: str, *, words: list[str], says: str
) -> None:
    entry = die()

    done = call("dlq", "edit", SHOP, entry, *words)

    assert (2, "") == (done.code, done.out)
    assert says in done.err.splitlines()[0]
    assert [entry] == entries(redis, DomainKeys(namespace, "payment"))


# -- purge and export ----------------------------------------------------------------------------


def test_purge_deletes_and_counts(call: Call, die: Die, redis: Driver, namespace: str) -> None:
    named, _, stays = die(), die(reason="poison"), die()
    keys = DomainKeys(namespace, "payment")

    one = call("dlq", "purge", SHOP, named, "--yes")
    other = call("dlq", "purge", SHOP, "--reason", "poison", "--yes", "--json")

    assert (0, "", "purged 1\n") == one
    assert {"purged": 1, "dry_run": False} == json.loads(other.out)
    assert ([stays], {"purged": 2}) == (entries(redis, keys), snapshot(redis, keys).stats)


def test_purge_keeps_a_domain_within_bounds(
    call: Call, die: Die, redis: Driver, namespace: str, types: Callable[[str], None]
) -> None:
    now = redis.time()[0] * 1_000
    buried = [die(at=now - days * 86_400_000) for days in (9, 8, 3, 2, 1)]
    keys = DomainKeys(namespace, "payment")

    types("y\n")
    aged = call("dlq", "purge", "-d", "payment", "--keep", "4", "--older-than", "7d")
    many = call("dlq", "purge", "-d", "payment", "--keep", "2", "--yes", "--json")

    assert "Purge what is older than 7d, and all but the 4 newest letters of payment? [y/N]: purged 2\n" == aged.err
    assert {"purged": 1, "dry_run": False} == json.loads(many.out)
    assert (buried[3:], {"purged": 3}) == (entries(redis, keys), snapshot(redis, keys).stats)


def test_export_writes_json_lines_that_hold_everything(
    call: Call, die: Die, redis: Driver, namespace: str, tmp_path: Path
) -> None:
    buried = [die(args={"text": b"\xff"}), die("refuse", domain="delivery")]

    to_stdout = call("dlq", "export", SHOP)
    to_file = call("dlq", "export", SHOP, "--output", str(tmp_path / "letters.jsonl"))

    written = lines(to_stdout.out)
    assert (buried, [{"text": {"$base64": "/w=="}}, {"text": "hi"}]) == (
        [each["letter"] for each in written],
        [each["arguments"] for each in written],
    )
    [letter] = snapshot(redis, DomainKeys(namespace, "delivery")).dead
    assert letter.job == base64.b64decode(written[1]["payload"])
    assert ("exported 2\n", to_stdout.out) == (to_file.err, (tmp_path / "letters.jsonl").read_text())
    assert "" == to_file.out


def test_an_export_that_fails_leaves_the_old_file_and_no_other(
    call: Call, die: Die, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        die()
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "letters.jsonl").write_text("yesterday's\n")
    whole = view.facts

    def once(*args: Any, **given: Any) -> Any:
        monkeypatch.setattr(view, "facts", failing)
        return whole(*args, **given)

    def failing(*_: Any, **__: Any) -> Any:
        raise RedisUnreachable

    monkeypatch.setattr(view, "facts", once)

    done = call("dlq", "export", SHOP, "-o", str(folder / "letters.jsonl"))

    assert 69 == done.code
    assert ["letters.jsonl"] == [path.name for path in folder.iterdir()]
    assert "yesterday's\n" == (folder / "letters.jsonl").read_text()


def test_an_export_that_cannot_be_written_says_so(call: Call, die: Die, tmp_path: Path) -> None:
    die()

    done = call("dlq", "export", SHOP, "-o", str(tmp_path / "nowhere" / "letters.jsonl"))

    assert (2, "") == (done.code, done.out)
    assert "letters.jsonl cannot be written: No such file or directory" in done.err


def test_an_export_may_go_to_what_is_no_file(call: Call, die: Die) -> None:
    die()

    assert (0, "", "exported 1\n") == call("dlq", "export", SHOP, "-o", os.devnull)


def test_dlq_help_imports_nothing_it_does_not_need() -> None:
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from heijunka_cli.main import main\n"
        "main(['dlq', 'retry', '--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set() == set(done.stderr.split()) & {"heijunka.app", "heijunka.control.dead", "msgspec", "redis", "rich"}
