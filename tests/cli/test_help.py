"""Help, versions and names: what the command says without doing anything."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from heijunka import __version__
from heijunka_cli.main import SUMMARIES, main
from tests.cli.conftest import Call

HEAVY = {"asyncio", "heijunka.app", "heijunka.config", "hiredis", "msgspec", "redis", "rich"}


def imported_by(*words: str) -> set[str]:
    """The modules that a command line has imported when it ends."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from heijunka_cli.main import main\n"
        f"main({words!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("completion", "bash")])
def test_help_imports_nothing_it_does_not_need(words: tuple[str, ...]) -> None:
    imported = imported_by(*words)

    assert "heijunka_cli.main" in imported
    assert set() == imported & HEAVY
    assert set() == imported & ({f"heijunka_cli.{name}" for name in SUMMARIES} - {f"heijunka_cli.{words[0]}"})


def test_completing_a_commands_name_imports_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_HEIJUNKA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "heijunka ")
    monkeypatch.setenv("COMP_CWORD", "1")

    assert set() == imported_by() & (HEAVY | {f"heijunka_cli.{name}" for name in SUMMARIES})


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_is_the_first_line_of_the_commands_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert command is not None
    assert name == command.name
    assert SUMMARIES[name] == (command.help or "").splitlines()[0]


def test_help_lists_every_command_with_its_summary(call: Call) -> None:
    done = call("--help")

    listed = done.out.partition("Commands:\n")[2].splitlines()[: len(SUMMARIES)]
    assert [(name, summary.rstrip(".")) for name, summary in SUMMARIES.items()] == [
        (name, words.strip()) for name, _, words in (line.strip().partition(" ") for line in listed)
    ]
    assert (0, "") == (done.code, done.err)


@pytest.mark.parametrize("words", [(name, "-h") for name in SUMMARIES])
def test_every_command_has_help_that_fits_into_80_columns(call: Call, words: tuple[str, ...]) -> None:
    done = call(*words)

    assert (0, "") == (done.code, done.err)
    assert [] == [line for line in done.out.splitlines() if len(line) > 80]


def test_version(call: Call) -> None:
    assert (0, f"heijunka, version {__version__}\n", "") == call("--version")


def test_without_a_command_it_shows_its_help_and_that_this_is_no_use(call: Call) -> None:
    done = call()

    assert (2, "") == (done.code, done.out)
    assert "Commands:" in done.err
