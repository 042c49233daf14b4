"""Every block of the README runs as it stands, in order, in an empty directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

NOT_RUN = {
    "$ make demo": "a target of its own, which continuous integration runs",
    "pip install": "this checkout is what is tried",
    "make test": "would run this test again",
}
"""Beginnings of blocks that are not run here, and why."""


def blocks() -> list[tuple[str, str]]:
    """Language and text of the README's blocks, in order."""
    return [
        (language, text)
        for language, text in BLOCK.findall((ROOT / "README.md").read_text())
        if not text.startswith(tuple(NOT_RUN))
    ]


class Reader:
    """Somebody who follows the README."""

    def __init__(self, home: Path, url: str, namespace: str) -> None:
        self.home = home
        self.background: list[subprocess.Popen[bytes]] = []
        self.said = 0
        self.environ = {
            **os.environ,
            "PATH": f"{self._commands()}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(home), str(ROOT), str(ROOT / "cli")]),
            "HEIJUNKA_REDIS_URL": url,
            "HEIJUNKA_NAMESPACE": namespace,
        }

    def _commands(self) -> Path:
        """A `python` and a `heijunka`, as an environment of the reader's own has them."""
        folder = self.home.parent / "bin"
        folder.mkdir()
        for name, start in {
            "python": "",
            "heijunka": "-c 'from heijunka_cli.main import main; main(prog_name=\"heijunka\")'",
        }.items():
            script = folder / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {start} "$@"\n')
            script.chmod(0o755)
        return folder

    def python(self, text: str) -> None:
        """Save a block that has a file's name, run any other."""
        named = re.match(r"# (\w+\.py)\n", text)
        if named:
            (self.home / named[1]).write_text(text)
            return
        done = self._run([sys.executable, "-c", text])
        for expected in re.findall(r"print\(.*\)  # (.+)$", text, re.MULTILINE):
            assert expected in done

    def console(self, text: str) -> None:
        """Type what stands behind `$`, and compare what it shows with what stands below."""
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            if command.endswith(" &"):
                self.background.append(subprocess.Popen(command[:-2].split(), env=self.environ, cwd=self.home))
            else:
                done = self._run(["bash", "-c", command])
                assert not shown or shown == done, command

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=60, check=False
        )
        assert 0 == done.returncode, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def leave(self) -> list[int]:
        """Stop what runs in the background; exit codes."""
        for process in self.background:
            process.send_signal(signal.SIGTERM)
        return [process.wait(timeout=30) for process in self.background]


@pytest.fixture
def reader(tmp_path: Path, redis_url: str, namespace: str) -> Iterator[Reader]:
    (tmp_path / "home").mkdir()
    reader = Reader(tmp_path / "home", redis_url, namespace)
    yield reader
    for process in reader.background:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_readme_is_true(reader: Reader) -> None:
    for language, text in blocks():
        if language == "python":
            reader.python(text)
        elif language == "console":
            reader.console(text)
        else:
            pytest.fail(f"a block of {language!r} is neither run nor excused: {text[:60]}")

    assert [0] == reader.leave()


def test_what_is_not_run_is_still_there() -> None:
    """An excuse for a block that is gone would hide the next one that begins like it."""
    beginnings = [text for _, text in BLOCK.findall((ROOT / "README.md").read_text())]

    assert [] == [start for start in NOT_RUN if not any(text.startswith(start) for text in beginnings)]
