"""What goes wrong is one line and a hint on stderr, with the right exit code and nothing on stdout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from heijunka import errors
from heijunka_cli.ending import Code, code_of, error_line
from heijunka_cli.main import main
from tests.cli.conftest import SHOP, Call, Done, Start

Write = Callable[[str], str]


def refused(code: int, error: str, hint: str | None) -> Done:
    """What a command says that ends with an error."""
    return Done(code, "", f"error: {error}\n" + (f"hint: {hint}\n" if hint else ""))


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["wroker"], "there is no command 'wroker'", "did you mean 'worker'?"),
        (["xyzzy"], "there is no command 'xyzzy'", "see heijunka --help"),
        (["config", "shwo"], "there is no command 'shwo'", "did you mean 'show'?"),
        (["--debgu"], "there is no option --debgu", "did you mean '--debug'?"),
        (["worker", "--brust"], "there is no option --brust", "did you mean '--burst'?"),
        (["worker", "-n", "0"], "invalid value for '-n' / '--processes': 0 is not in the range 1<=x<=500",
         "see heijunka worker --help"),
        (["worker", "a:b", "c"], "got unexpected extra argument (c)", "see heijunka worker --help"),
        (["completion", "tcsh"], "invalid value for '{bash|zsh|fish}': 'tcsh' is not one of 'bash', 'zsh', 'fish'",
         "see heijunka completion --help"),
        (["worker"], "no application is named", "write its path, such as shop.tasks:app, or set HEIJUNKA_APP"),
        (["enqueue", SHOP], "no task of shop is named",
         "its tasks are charge, note, deliver, greet, forgetful, refuse"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_meant_is_told_and_ends_with_2(
    call: Call, words: list[str], error: str, hint: str
) -> None:
    assert refused(2, error, hint) == call(*words)


@pytest.mark.parametrize(
    ("path", "error", "hint"),
    [
        ("nowhere:app", "there is no module 'nowhere'", "looked from {here}; write it as package.module:app"),
        ("nowhere.py:app", "there is no file nowhere.py", "looked from {here}"),
        ("tests.cli.shop:ap", "tests.cli.shop has no ap", "did you mean 'app'?"),
        ("tests.cli.shop:charge", "tests.cli.shop:charge is a Task, not an application",
         "it should be a Heijunka(...)"),
        ("tests.cli.conftest", "tests.cli.conftest has no application and no task", "write tests.cli.conftest:NAME"),
    ],
)  # fmt: skip
def test_a_wrong_path_of_an_application_is_told_and_ends_with_2(call: Call, path: str, error: str, hint: str) -> None:
    assert refused(2, error, hint.format(here=Path.cwd())) == call("enqueue", path, "charge")


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing' ({here}/mistaken.py:3)"),
        ("1 / 0", "ZeroDivisionError: division by zero ({here}/mistaken.py:3)"),
        ("def f(:", "SyntaxError: invalid syntax ({here}/mistaken.py:3)"),
        ("raise SystemExit('not today')", "SystemExit: not today ({here}/mistaken.py:3)"),
    ],
)
def test_what_an_application_raises_is_told_with_its_place(call: Call, app_file: Write, code: str, what: str) -> None:
    path = app_file(code)

    assert refused(
        2, f"{path} cannot be loaded: {what.format(here=Path.cwd())}", "heijunka --debug … shows the traceback"
    ) == call("enqueue", path, "charge")


def test_a_wrong_definition_is_told_with_its_own_hint(call: Call, app_file: Write) -> None:
    path = app_file("@app.task(domain='Payment')\ndef charge(): ...")

    assert refused(2, "domain 'Payment' is not a valid name", "use 1 to 64 of the characters a-z 0-9 _ . -") == call(
        "enqueue", path, "charge"
    )


@pytest.mark.parametrize("command", ["worker", "enqueue"])
def test_a_wrong_setting_is_told_with_its_place(call: Call, command: str) -> None:
    Path("heijunka.toml").write_text("lease = 'soon'\n")

    assert refused(2, "lease 'soon' is not a duration (heijunka.toml:1)", "write a duration from 1s to 10m") == call(
        command, SHOP
    )


@pytest.mark.parametrize("command", ["worker", "enqueue"])
def test_a_wrong_flag_is_told_with_its_name_and_without_its_password(call: Call, command: str) -> None:
    assert refused(
        2,
        "redis_url 'http://:***@x' does not start with redis://, rediss:// or unix:// (flag --redis-url)",
        'write redis://[user:password@]host:6379/0, rediss://… for TLS, or unix:///path/to.sock, or "none"',
    ) == call(command, SHOP, "--redis-url", "http://:s3cret@x")


def test_debug_shows_where_an_error_came_from(call: Call, app_file: Write) -> None:
    done = call("--debug", "enqueue", app_file("1 / 0"), "charge")

    assert 2 == done.code
    assert "Traceback (most recent call last):" in done.err
    assert "ZeroDivisionError: division by zero\n" in done.err
    assert done.err.splitlines()[-2].startswith("error: mistaken.py:app cannot be loaded: ZeroDivisionError")


def test_so_does_the_log_level(call: Call, monkeypatch: pytest.MonkeyPatch, app_file: Write) -> None:
    monkeypatch.setenv("HEIJUNKA_LOG_LEVEL", "debug")

    assert "Traceback" in call("enqueue", app_file("1 / 0"), "charge").err


def test_what_nobody_expected_comes_with_its_traceback(call: Call, app_file: Write) -> None:
    path = app_file("@app.task\ndef charge(): ...\n@app.around_enqueue\ndef broken(jobs): raise KeyError('x\x1b[2J')")

    done = call("enqueue", path, "charge")

    assert 70 == done.code
    assert "in broken\n" in done.err
    assert r"error: KeyError: 'x\x1b[2J'" in done.err
    assert "\x1b" not in done.err


def test_an_error_of_many_lines_is_one_and_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    error_line("x\x1b[2J\nERROR forged", "a\r\u202eb")

    assert "error: x\\x1b[2J\\nERROR forged\nhint: a\\r\\u202eb\n" == capsys.readouterr().err


def everything_raised(kind: type[errors.HeijunkaError] = errors.HeijunkaError) -> list[type[errors.HeijunkaError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in everything_raised(child))]


@pytest.mark.parametrize("kind", everything_raised())
def test_every_error_of_the_library_has_an_exit_code(kind: type[errors.HeijunkaError]) -> None:
    expected = {
        errors.UnknownTask: 3,
        errors.JobNotFound: 3,
        errors.JobFailed: 1,
        errors.JobCancelled: 1,
        errors.ServerInUse: 1,
        errors.ResultTimeout: 75,
        errors.Unconfirmed: 69,
        errors.ScriptError: 70,
        errors.ScriptSourceError: 70,
    }
    otherwise = 69 if issubclass(kind, errors.BrokerError | errors.ServerError) else 2

    assert expected.get(kind, otherwise) == code_of(kind())


def test_exit_codes_are_those_of_the_documentation() -> None:
    assert {
        "OK": 0, "UNHEALTHY": 1, "USAGE": 2, "NOT_FOUND": 3, "UNREACHABLE": 69, "BUG": 70, "UNFINISHED": 75,
        "INTERRUPTED": 130, "PIPE_CLOSED": 141,
    } == {code.name: code.value for code in Code}  # fmt: skip


def test_no_error_quotes_a_password(call: Call) -> None:
    done = call("enqueue", SHOP, "note", "x", "--redis-url", "redis://:s3cret@localhost:port/0")

    assert 2 == done.code
    assert "s3cret" not in done.err


def test_a_reader_that_goes_away_is_no_error(start: Start) -> None:
    process = start("config", "show")
    assert process.stdout is not None
    process.stdout.close()

    assert process.stderr is not None
    said = process.stderr.read()
    assert (141, "") == (process.wait(), said)


def test_help_that_nobody_reads_is_no_error(start: Start) -> None:
    process = start("worker", "--help")
    assert process.stdout is not None
    process.stdout.close()

    assert process.stderr is not None
    said = process.stderr.read()
    assert (141, "") == (process.wait(), said)


def test_an_interrupt_ends_with_130_and_no_traceback(start: Start, app_file: Write) -> None:
    path = app_file("import sys, time\nprint('loading', file=sys.__stdout__, flush=True)\ntime.sleep(60)")
    process = start("enqueue", path, "charge")
    assert process.stdout is not None
    assert "loading\n" == process.stdout.readline()

    os.kill(process.pid, signal.SIGINT)

    _, err = process.communicate(timeout=20)
    assert (130, "\n") == (process.returncode, err)


def test_a_question_that_is_not_answered_with_yes_does_nothing(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEIJUNKA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _: "n")

    done = call("server", "reset")

    assert (1, "") == (done.code, done.out)
    assert done.err.endswith("aborted\n")


def test_python_m_runs_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "heijunka_cli", "--version"], capture_output=True, text=True, check=True
    )

    assert "heijunka, version " in done.stdout
    assert "heijunka" == main.name


def test_colour_is_for_terminals_that_want_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda stream=None, color=None: color is False)
    error_line("no")
    monkeypatch.setenv("NO_COLOR", "1")
    error_line("no")

    coloured, plain = capsys.readouterr().err.splitlines()
    assert "\x1b[31m" in coloured
    assert "error: no" == plain
