"""Where the socket lies.

A socket's path may have about 100 bytes, so it cannot lie beside the data of a user with a deep home. It
lies in a small directory that must be ours alone: a real directory (no link), owned by us, closed to
everybody else, in a parent where nobody else can replace it. Whoever may connect to the socket may read and
forge jobs, and whoever can put a socket there in our stead can, too.

The name is derived from the instance's directory: two instances never meet, and one instance keeps its URL.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final
from urllib.parse import quote

from heijunka.errors import ServerNotStarted
from heijunka.server.place import Place

LONGEST_PATH: Final = 100
"""Bytes. The limit is 103 on macOS and 107 on Linux."""


def socket_url(path: Path) -> str:
    """The URL of a socket.

    Example:
        >>> socket_url(Path("/run/user/1000/heijunka/4f.sock"))
        'unix:///run/user/1000/heijunka/4f.sock'
    """
    return f"unix://{quote(str(path))}"


def choose_socket(place: Place, environ: Mapping[str, str]) -> Path:
    """Where this instance's socket goes; its directory exists and is ours alone when this returns.

    `heijunka` in XDG_RUNTIME_DIR, else `heijunka-<uid>` in TMPDIR, then in /tmp, else beside the data: the
    first of them that is short enough and safe.

    Raises:
        ServerNotStarted: none of them is; the message says why.
    """
    name = f"{blake2b(os.fsencode(place.directory), digest_size=8).hexdigest()}.sock"
    return _first_safe(_candidates(place, environ), name)


def _first_safe(directories: Iterable[Path], name: str) -> Path:
    rejected = []
    for directory in directories:
        path = directory / name
        unfit = _too_long(path) or unsafe(directory)
        if unfit is None:
            return path
        rejected.append(f"{directory} {unfit}")
    raise ServerNotStarted(
        f"there is no safe place for the server's socket: {'; '.join(rejected)}",
        hint="set XDG_RUNTIME_DIR to a directory of your own with a short path and mode 0700",
    )


def still_usable(path: Path) -> bool:
    """Whether a socket chosen earlier may be bound again."""
    return unsafe(path.parent) is None


def _candidates(place: Place, environ: Mapping[str, str]) -> Iterator[Path]:
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if Path(runtime).is_absolute():
        yield Path(runtime) / "heijunka"
    mine = f"heijunka-{os.geteuid()}"
    given = environ.get("TMPDIR", "")
    if Path(given).is_absolute():
        yield Path(given) / mine
    yield Path("/tmp") / mine  # noqa: S108 - `unsafe` looks at it
    yield place.directory


def _too_long(path: Path) -> str | None:
    size = len(os.fsencode(path))
    return f"makes a path of {size} bytes, more than {LONGEST_PATH}" if size > LONGEST_PATH else None


def unsafe(directory: Path) -> str | None:
    """Why a directory cannot hold our sockets, or None; it is created when it is missing.

    What is looked at is what was opened, not what the name meant a moment earlier.
    """
    try:
        parent = directory.parent.stat()
        if parent.st_uid not in {0, os.geteuid()}:
            return f"lies in a directory of another user (uid {parent.st_uid})"
        if parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX:
            return "lies in a directory where others may replace it"
        if not os.path.lexists(directory):
            directory.mkdir(mode=0o700)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        return "is a link or no directory" if directory.is_symlink() else f"cannot be used: {error.strerror}"
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            return f"belongs to another user (uid {found.st_uid})"
        if found.st_mode & 0o077:
            os.fchmod(descriptor, 0o700)
        return None
    finally:
        os.close(descriptor)
