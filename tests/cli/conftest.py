"""The command in surroundings of the test's own: called here, or as a process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from heijunka.server.surroundings import PLATFORMS, STAGES
from heijunka_cli.main import main
from tests.cli import shop
from tests.fixtures.old_redis import old_redis

ROOT = Path(__file__).resolve().parents[2]
SHOP = "tests.cli.shop:app"


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis_url: str, namespace: str) -> None:
    """An empty directory, no settings but the test's server and namespace, and no trace left in this process."""
    for name in list(os.environ):
        foreign = name in {*STAGES, *PLATFORMS, "NO_COLOR", "FORCE_COLOR"}
        if foreign or (name.startswith("HEIJUNKA_") and not name.startswith("HEIJUNKA_TEST_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HEIJUNKA_REDIS_URL", redis_url)
    monkeypatch.setenv("HEIJUNKA_NAMESPACE", namespace)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "cli"))))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(shop.app, "_overrides", {})  # the flags of another test's command
    shop.app.override({}, "test")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command in this process."""

    def called(*words: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, said.out, said.err)

    return called


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command as a process of its own group; ends what is left of it."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "heijunka_cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def run(start: Start) -> Call:
    """Runs the command as a process until it ends."""

    def run(*words: str) -> Done:
        process = start(*words)
        out, err = process.communicate(timeout=45)
        return Done(process.returncode, out, err)

    return run


@pytest.fixture
def app_file() -> Callable[[str], str]:
    """Writes an application into the current directory; returns its path for the command line."""

    def write(code: str, name: str = "mistaken.py") -> str:
        Path(name).write_text(f"from heijunka import Heijunka\napp = Heijunka('mistaken')\n{code}\n")
        return f"{name}:app"

    return write


@pytest.fixture
def too_old() -> Iterator[str]:
    """Where a Redis 6.2 answers."""
    directory = Path(tempfile.mkdtemp(prefix="hj-"))
    with old_redis(directory / "s") as url:
        yield url
    shutil.rmtree(directory)
