"""What there is of an instance, read without taking part: no gate, no waiting, no start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from heijunka.server.endpoint import read_endpoint, read_pid
from heijunka.server.lock import is_locked
from heijunka.server.place import Place
from heijunka.server.probe import Answer, ping
from heijunka.server.rendezvous import socket_url
from heijunka.server.users import User, named

State = Literal["stopped", "ready", "loading", "silent"]


class ServerStatus(msgspec.Struct, frozen=True):
    """One look at an instance.

    Parameters:
        name: of the instance.
        state: `stopped`; `ready`; `loading` its data; or `silent`: it lives and does not answer.
        directory: where its data lies.
        url: where it listens; None when it is stopped.
        pid: of the server; None when it is stopped.
        binary: what was started last, with its flavour and version; None after it was stopped in good order.
        flavour: `valkey` or `redis`.
        version: of the binary.
        kept: whether it stays without users, until it is stopped.
        users: who uses it, as far as they can be named.
        data_bytes: size of the append-only file.
    """

    name: str
    state: State
    directory: str
    url: str | None
    pid: int | None
    binary: str | None
    flavour: str | None
    version: str | None
    kept: bool
    users: tuple[User, ...]
    data_bytes: int

    @property
    def running(self) -> bool:
        """Whether there is a server process, ready or not."""
        return self.state != "stopped"


def read_status(name: str, place: Place) -> ServerStatus:
    """Look at an instance."""
    endpoint = read_endpoint(place)
    running = is_locked(place.alive)
    state: State = "stopped"
    if running:
        answer = ping(endpoint.path) if endpoint is not None else Answer.ABSENT
        state = "ready" if answer is Answer.READY else "loading" if answer is Answer.LOADING else "silent"
    return ServerStatus(
        name=name,
        state=state,
        directory=str(place.directory),
        url=socket_url(endpoint.path) if running and endpoint is not None else None,
        pid=read_pid(place) if running else None,
        binary=endpoint.binary if endpoint is not None else None,
        flavour=endpoint.flavour if endpoint is not None else None,
        version=endpoint.version if endpoint is not None else None,
        kept=place.keep.exists(),
        users=named(place),
        data_bytes=_size(place.data),
    )


def _size(directory: Path) -> int:
    total = 0
    try:
        for part in directory.iterdir():
            try:
                total += part.stat().st_size
            except OSError:
                continue  # a rewrite has just replaced it
    except OSError:
        return total
    return total
