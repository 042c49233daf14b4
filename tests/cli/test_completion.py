"""`heijunka completion`: the script works in the shell it is for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heijunka_cli.main import SUMMARIES
from tests.cli.conftest import Call

BASH = shutil.which("bash")
EXECUTABLE = '#!/bin/sh\nexec {python} -m heijunka_cli "$@"\n'


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`heijunka` as an installed command."""
    command = tmp_path / "bin" / "heijunka"
    command.parent.mkdir()
    command.write_text(EXECUTABLE.format(python=sys.executable))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_prints_a_script_that_asks_the_command(call: Call, shell: str) -> None:
    done = call("completion", shell)

    assert (0, "") == (done.code, done.err)
    assert f"_HEIJUNKA_COMPLETE={shell}_complete" in done.out


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["heijunka", "w"], ["worker"]),
        (["heijunka", ""], list(SUMMARIES)),
        (["heijunka", "worker", "--bu"], ["--burst"]),
        (["heijunka", "config", "s"], ["show"]),
        (["heijunka", "enqueue", "--priority", ""], ["high", "normal", "low"]),
    ],
)
def test_bash_completes_commands_options_and_values(call: Call, words: list[str], completed: list[str]) -> None:
    script = call("completion", "bash").out
    asks = (
        f"{script}\nCOMP_WORDS=({' '.join(repr(word) for word in words)})\nCOMP_CWORD={len(words) - 1}\n"
        '_heijunka_completion heijunka\nprintf "%s\\n" "${COMPREPLY[@]}"'
    )

    done = subprocess.run([str(BASH), "-c", asks], capture_output=True, text=True, check=True)

    assert ("", completed) == (done.stderr, done.stdout.split())
