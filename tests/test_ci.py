"""What continuous integration does by itself: tests on a server that runs already, and the list of its checks."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures.server import Server, driver
from tests.fixtures.suite import ROOT, suite_on

# -- a server that runs already ---------------------------------------------------------------------


@pytest.fixture
def somebodys_url() -> Iterator[str]:
    """A server on a port of loopback, which the tests did not start."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = Server(port=str(port), bind="127.0.0.1")
        try:
            server.start()
        except AssertionError:  # somebody else was given this port meanwhile
            server.close()
            continue
        yield f"redis://127.0.0.1:{port}/0"
        server.close()
        return


def test_the_suite_runs_on_a_server_that_runs_already_and_leaves_nothing_there(somebodys_url: str) -> None:
    ended = suite_on(
        somebodys_url,
        *("tests/lua/scripts/test_renew.py", "tests/worker/test_promoter.py"),
        *("-k", "test_renew or goes_on_after_redis_was_away"),
    )

    assert 0 == ended.returncode, ended.stdout
    assert re.search(r"\d+ passed, \d+ skipped", ended.stdout), ended.stdout
    assert "is not ours to stop or reconfigure" in ended.stdout
    with driver(somebodys_url) as looking:
        assert looking.info("commandstats")["cmdstat_evalsha"]["calls"] > 0
        assert 0 == looking.dbsize()


# -- the list of checks -----------------------------------------------------------------------------

Checks = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checks(tmp_path: Path) -> Checks:
    """Runs `.ci/checks` where `make` only notes what it is asked for, and `docker info` answers or does not."""
    commands, ours = tmp_path / "bin", tmp_path / ".ci"
    commands.mkdir()
    ours.mkdir()
    shutil.copy(ROOT / ".ci" / "checks", ours)

    def stub(name: str, text: str, folder: Path = commands) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    def run(*, docker: str, make: str = "exit 0", **environ: str) -> subprocess.CompletedProcess[str]:
        stub("make", f'echo "asked to make: $*"\n{make}')
        stub("docker", docker)
        stub("redis-server", 'echo "Redis server v=8.0.0 sha=0"')
        stub("find-python", f"echo {sys.executable}", ours)
        return subprocess.run(
            [ours / "checks"],
            env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


def summary(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.rpartition("===== summary")[2]


def test_where_docker_answers_the_images_are_tried(checks: Checks) -> None:
    done = checks(docker="exit 0")

    assert 0 == done.returncode, done.stdout
    assert "asked to make: --no-print-directory --keep-going docker\n" in done.stdout
    assert re.search(r"ok +\d+ s  tests, images of Redis and Valkey\n", summary(done))


@pytest.mark.parametrize("ci", ["", "true"])
def test_where_docker_does_not_answer_they_are_skipped_and_nothing_fails(checks: Checks, ci: str) -> None:
    done = checks(docker="echo 'Cannot connect to the Docker daemon' >&2; exit 1", CI=ci)

    assert 0 == done.returncode, done.stdout
    assert "keep-going docker\n" not in done.stdout
    assert re.search(r"skipped +- s  tests, images of Redis and Valkey: no Docker daemon answers\n", summary(done))


def test_images_that_fail_fail_the_whole(checks: Checks) -> None:
    done = checks(docker="exit 0", make='case "$*" in *docker*) exit 1;; esac')

    assert 1 == done.returncode
    assert re.search(r"FAILED +\d+ s  tests, images of Redis and Valkey\n", summary(done))
    assert done.stdout.endswith("\n1 failed\n")
