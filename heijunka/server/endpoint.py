"""What was started last in a place, written before it is started.

Whoever starts the server may be killed before it is ready. The next one then finds here where the
half-started server will listen, and waits for it instead of starting a second one. XDG_RUNTIME_DIR may also differ
between a login and a cron job of one user: the socket's path is read from here, not derived again.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Literal

import msgspec

from heijunka.server.binary import Binary
from heijunka.server.place import Place, write_closed


class Endpoint(msgspec.Struct, frozen=True):
    """A server that was started.

    Parameters:
        socket: where it listens.
        binary: its path.
        flavour: of the binary.
        version: of the binary.
        world: where its process id means something (see `this_world`).
    """

    socket: str
    binary: str
    flavour: Literal["valkey", "redis"]
    version: str
    world: str

    @property
    def path(self) -> Path:
        """The socket."""
        return Path(self.socket)


def endpoint_of(path: Path, binary: Binary) -> Endpoint:
    """The endpoint of a server that is about to be started here."""
    return Endpoint(str(path), binary.path, binary.flavour, binary.version, this_world())


def read_endpoint(place: Place) -> Endpoint | None:
    """What was started last; None when nothing was, or when the file is not ours."""
    try:
        return msgspec.json.decode(place.endpoint.read_bytes(), type=Endpoint)
    except (OSError, msgspec.MsgspecError):
        return None


def write_endpoint(place: Place, endpoint: Endpoint) -> None:
    """Replace what is written there at once, so that nobody reads half of it."""
    draft = place.endpoint.with_suffix(".draft")
    write_closed(draft, msgspec.json.encode(endpoint))
    draft.replace(place.endpoint)


def read_pid(place: Place) -> int | None:
    """The server's process id. It means something only while the server's own lock is held, and in its own world."""
    try:
        pid = int(place.pidfile.read_text())
    except (OSError, ValueError):
        return None
    return pid if pid > 1 else None


def this_world() -> str:
    """Where process ids are ours to use: this host, and on Linux this process-id namespace.

    A home directory may be mounted into containers and on several hosts. The locks hold there as well, but a
    process id from elsewhere names some innocent process here.
    """
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()} {namespace}".rstrip()
