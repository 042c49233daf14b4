"""The application of the stories: its tasks write what they do into files, in a folder that the environment names."""

from __future__ import annotations

import os
import time
from pathlib import Path

from heijunka import Heijunka

app = Heijunka("acceptance", timeout="2m")
FOLDER = "ACCEPTANCE"


def note(where: str, what: str) -> None:
    """Add a line; short ones of several processes do not mix."""
    with (Path(os.environ[FOLDER]) / where).open("a") as file:
        file.write(f"{what}\n")


def noted(folder: Path, where: str) -> list[str]:
    """The lines there."""
    path = folder / where
    return path.read_text().splitlines() if path.exists() else []


def wait_for(what: str) -> None:
    """Until there is such a file."""
    while not (Path(os.environ[FOLDER]) / what).exists():
        time.sleep(0.002)


@app.task(domain="orders", keep_result=None)
def pack(number: int) -> None:
    note("packed", f"{number} {os.getpid()}")


@app.task(domain="orders", keep_result=None)
def hold(number: int) -> None:
    note("held", f"{number} {os.getpid()}")
    wait_for("go")
    note("packed", f"{number} {os.getpid()}")


@app.task(domain="orders", attempts=2, retry_base="1ms", retry_cap="1ms")
def spoil(number: int) -> None:
    note("spoilt", str(number))
    raise ValueError(f"parcel {number} is torn")


@app.task(domain="bank", attempts=1)
def charge(cents: int) -> int:
    if not (Path(os.environ[FOLDER]) / "mended").exists():
        raise ConnectionError("the bank is down")
    note("charged", str(cents))
    return cents


@app.task(domain="orders", keep_result=None)
def nap(ms: int) -> None:
    time.sleep(ms / 1_000)


@app.task(domain="bank", keep_result=None)
def rest(ms: int) -> None:
    time.sleep(ms / 1_000)
