"""End private servers that nobody will come back to.

A killed user of the default instance leaves a server that its next user adopts. A killed test run or demo
leaves one in a directory that is never visited again. Each private instance therefore has a link beside its socket
that names its directory, and whoever starts a server looks at the links of the others: an instance without users
is asked to stop, and its data stays.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from heijunka.server.lock import try_lock
from heijunka.server.place import Place
from heijunka.server.probe import ask_to_stop
from heijunka.server.users import anybody


def stray_mark(socket: Path) -> Path:
    """The link that names the directory of the private instance behind a socket."""
    return socket.with_suffix(".place")


def mark(place: Place, socket: Path) -> None:
    """Let others find this instance should its users be killed."""
    if place.private:
        link = stray_mark(socket)
        link.unlink(missing_ok=True)
        link.symlink_to(place.directory)


def sweep(sockets: Path, *, but: Place) -> None:
    """Ask every private server without users to stop; waits for none of them.

    Parameters:
        sockets: the directory whose instances to look at; nobody else can write to it.
        but: the instance of the caller.
    """
    for link in sockets.glob("*.place"):
        with contextlib.suppress(OSError):
            place = Place(link.readlink(), private=True)
            if place != but and _is_stray(place) and not ask_to_stop(link.with_suffix(".sock")):
                link.with_suffix(".sock").unlink(missing_ok=True)
                link.unlink(missing_ok=True)


def _is_stray(place: Place) -> bool:
    if not place.gate.exists():
        return True  # its directory was deleted
    gate = try_lock(place.gate, passing=True)
    if gate is None:
        return False
    try:
        return not place.keep.exists() and not anybody(place)
    finally:
        gate.unlock()
