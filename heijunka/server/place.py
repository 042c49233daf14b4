"""Where an instance keeps its things.

Everything that outlives the server lies in one directory of the user's state directory, open to nobody
else: the append-only file holds the arguments of every job. The socket lies elsewhere (see `rendezvous`).
The lock files are never deleted, not even by a reset: whoever deletes a lock file lets two processes
hold the "same" lock.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from heijunka.errors import InvalidName, ServerNotStarted

STATE_DIRECTORY: Final = "HEIJUNKA_STATE_DIR"
"""Overrides where the state of all instances is kept."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Place(msgspec.Struct, frozen=True):
    """The files of one instance.

    Parameters:
        directory: absolute, without symbolic links, so that one instance has one spelling.
        private: whether a caller chose the directory; such an instance may never be visited again.
    """

    directory: Path
    private: bool = False

    @property
    def gate(self) -> Path:
        """Locked by whoever joins, leaves, starts or stops."""
        return self.directory / "gate.lock"

    @property
    def in_use(self) -> Path:
        """Locked, shared, by every user."""
        return self.directory / "users.lock"

    @property
    def alive(self) -> Path:
        """Locked by the server itself."""
        return self.directory / "alive.lock"

    @property
    def notes(self) -> Path:
        """One small file per user that says who it is."""
        return self.directory / "users"

    @property
    def endpoint(self) -> Path:
        """Says what was started last, and where it listens."""
        return self.directory / "server.json"

    @property
    def keep(self) -> Path:
        """Exists when the server is to stay without users."""
        return self.directory / "keep"

    @property
    def pidfile(self) -> Path:
        """Written by the server."""
        return self.directory / "server.pid"

    @property
    def log(self) -> Path:
        """Written by the server."""
        return self.directory / "server.log"

    @property
    def earlier_log(self) -> Path:
        """What the server before wrote."""
        return self.directory / "server.log.1"

    @property
    def data(self) -> Path:
        """The append-only file, in parts."""
        return self.directory / "appendonlydir"


def find_place(name: str, directory: Path | None, environ: Mapping[str, str]) -> Place:
    """The place of an instance; touches no disk but to resolve links.

    Parameters:
        name: of the instance, `[a-z0-9_-]{1,64}`; unused when `directory` is given.
        directory: for a private instance.
        environ: holds HEIJUNKA_STATE_DIR, XDG_STATE_HOME and HOME.

    Raises:
        InvalidName: the name has other characters.

    Example:
        >>> find_place("default", None, {"HEIJUNKA_STATE_DIR": "/var/tmp/hj"}).directory
        PosixPath('/var/tmp/hj/server/default')
    """
    if directory is not None:
        return Place(directory.expanduser().resolve(), private=True)
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name!r} is no name for a server",
            hint="use up to 64 lower-case letters, digits, - and _",
            name=name,
        )
    return Place((state_directory(environ) / "server" / name).resolve())


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where Heijunka keeps this user's state.

    HEIJUNKA_STATE_DIR, else `heijunka` in XDG_STATE_HOME, else in `~/Library/Application Support` on macOS,
    else in `~/.local/state`.
    """
    override = environ.get(STATE_DIRECTORY)
    if override:
        return Path(override).expanduser().absolute()
    xdg = environ.get("XDG_STATE_HOME", "")
    if Path(xdg).is_absolute():
        return Path(xdg) / "heijunka"
    home = Path(environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "heijunka"
    return home / ".local" / "state" / "heijunka"


def write_closed(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read, whatever the umask and the directory allow."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def make_place(place: Place) -> None:
    """Create the directory of an instance, or check that the one there is ours.

    Raises:
        ServerNotStarted: it cannot be created, or belongs to another user: what we would leave in it could
            not be read by its owner afterwards, as after a `sudo` that kept HOME.
    """
    try:
        place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = place.directory.stat().st_uid
        if owner == os.geteuid():
            place.notes.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ServerNotStarted(
            f"the server's directory {place.directory} cannot be used: {error.strerror}",
            hint=f"set {STATE_DIRECTORY} to a directory you can write to, or HEIJUNKA_REDIS_URL to your Redis",
            directory=str(place.directory),
        ) from error
    if owner != os.geteuid():
        raise ServerNotStarted(
            f"the server's directory {place.directory} belongs to another user (uid {owner})",
            hint=f"set {STATE_DIRECTORY} to a directory of your own",
            directory=str(place.directory),
        )
