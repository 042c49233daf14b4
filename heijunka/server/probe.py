"""Ask a server two things without a client library: are you there, and please stop.

The broker's client retries, negotiates and takes tens of milliseconds to import. Here one connection, one line
and one answer are wanted, a few dozen times while a server starts.
"""

from __future__ import annotations

import contextlib
import enum
import socket
from pathlib import Path

ANSWERS_WITHIN_S = 1.0


class Answer(enum.Enum):
    """What came back from a PING."""

    READY = "ready"
    """Any reply but LOADING. A server that runs a long script or cannot write to its disk is there, too."""
    LOADING = "loading"
    """It reads its append-only file."""
    SILENT = "silent"
    """Something took the connection and said nothing in time."""
    ABSENT = "absent"
    """Nobody listens."""


def ping(path: Path) -> Answer:
    """Ask whether a server is ready; takes at most `ANSWERS_WITHIN_S`.

    Parameters:
        path: of its socket.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWERS_WITHIN_S)
        try:
            connection.connect(str(path))
        except (BlockingIOError, TimeoutError):
            return Answer.SILENT  # its backlog is full: it exists and does not accept
        except OSError:
            return Answer.ABSENT
        try:
            connection.sendall(b"PING\r\n")
            reply = connection.recv(512)
        except TimeoutError:
            return Answer.SILENT
        except OSError:
            return Answer.ABSENT
    if not reply:
        return Answer.ABSENT
    return Answer.LOADING if reply.startswith(b"-LOADING") else Answer.READY


def ask_to_stop(path: Path) -> bool:
    """Send SHUTDOWN and wait a moment for the server to hang up.

    It writes and syncs its append-only file first, so it may still live when this returns. A signal would have the same
    effect up to 100 ms later.

    Parameters:
        path: of its socket.

    Returns:
        Whether somebody took the request.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWERS_WITHIN_S)
        try:
            connection.connect(str(path))
            connection.sendall(b"SHUTDOWN\r\n")
        except OSError:
            return False
        with contextlib.suppress(OSError):
            connection.recv(512)
    return True
