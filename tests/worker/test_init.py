"""The supervisor as process 1 of a container: it adopts whatever nobody waits for, and the orders are for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from heijunka.worker import mortality
from tests.fixtures.waiting import wait_until
from tests.worker.conftest import Host

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture
def init(host: Host) -> int:
    """A supervisor that is process 1 of its namespace: its number from outside."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("needs unshare and nsenter, of util-linux")
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"may make no process namespace: {tried.stderr.strip()}")
    host.start(under=UNSHARE)
    host.hear("joined")
    [pid] = mortality.children(host.process.pid)
    assert ["1"] == _status(pid, "NSpid")[-1:]
    return pid


def test_orphans_are_reaped_and_orders_are_passed_on(host: Host, init: int) -> None:
    [forkserver] = mortality.children(init)
    visit = ["nsenter", f"--target={init}", "--pid", "--mount", "sh", "-c", "sleep 0.001 & echo started"]

    for _ in range(3):  # as `docker exec` does it
        assert b"started\n" == subprocess.run(visit, stdout=subprocess.PIPE, check=True).stdout
    host.enqueue("hold", "ok")
    host.hear("running")
    os.kill(init, signal.SIGTERM)
    wait_until(lambda: "stopping" in host.log())
    wait_until(lambda: [forkserver] == mortality.children(init))
    host.let_go()

    assert 0 == host.ended()
    assert (1, 1) == (host.depths().counted("ack"), host.depths().counted("release"))
    wait_until(lambda: not host.processes())


def _status(pid: int, field: str) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{field}:"))
