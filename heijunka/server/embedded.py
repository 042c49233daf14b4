"""The server a user's processes share without having set it up.

    acquire   through the gate: a ready server is there, or is started; then join its users
    release   through the gate: leave the users; whoever was the last ends the server

Three locks keep it true. The *gate* lets one process at a time join, leave, start or stop, so nobody meets a
half-started server and two starters are one. The *users'* lock is shared by everybody who uses the server; one
attempt to lock it exclusively tells whether somebody is left. The *alive* lock is held by the server process itself.

Any process may be killed at any moment. A killed user is no user any more, but does not end the server: the next one
adopts it and ends it in its turn. A killed server is replaced by the next `acquire`, at the same URL. A killed
starter leaves a server that the next process waits for.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from heijunka.errors import ServerError, ServerInUse, ServerNotStarted
from heijunka.server import process, users
from heijunka.server.binary import find_binary
from heijunka.server.endpoint import Endpoint, endpoint_of, read_endpoint, write_endpoint
from heijunka.server.lock import is_locked, through
from heijunka.server.place import Place, find_place, make_place
from heijunka.server.probe import Answer, ask_to_stop, ping
from heijunka.server.rendezvous import choose_socket, socket_url, still_usable
from heijunka.server.status import ServerStatus, read_status
from heijunka.server.strays import mark, sweep
from heijunka.server.surroundings import refuse_production

PASSES_WITHIN_S: Final = 120.0
"""How long to wait for others who start or stop the server, in seconds: it may have much data to load."""


class EmbeddedServer:
    """One process's use of a server that all processes of a user share.

    Use it from any thread. A fork inherits the use: it may talk to the server while its parent lives, and its own
    `release` does nothing to its parent's. A fork that wants to outlive its parent calls `acquire` itself.

    Parameters:
        name: of the instance, `[a-z0-9_-]{1,64}`; instances share nothing.
        directory: for a private instance, such as a demo's or a test run's: where its data goes. The caller deletes it.
        embedded: the setting of that name, `yes`, `no` or `auto`; None takes HEIJUNKA_EMBEDDED.
        environ: decides where things lie, which binary runs, and whether these are production surroundings.

    Raises:
        InvalidName: the name has other characters.

    Example:
        >>> with EmbeddedServer() as server:  # doctest: +SKIP
        ...     redis.Redis.from_url(server.url).ping()
        True
    """

    def __init__(
        self,
        name: str = "default",
        *,
        directory: Path | None = None,
        embedded: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.name = name if directory is None else directory.name
        self._place = find_place(name, directory, environ)
        self._environ = environ
        self._embedded = embedded
        self._share: users.Share | None = None
        self._url: str | None = None

    @property
    def directory(self) -> Path:
        """Where the instance keeps its data, its log and its locks."""
        return self._place.directory

    @property
    def url(self) -> str:
        """Where the acquired server listens, `unix:///….sock`.

        Raises:
            ServerNotStarted: nothing was acquired yet.
        """
        if self._url is None:
            raise ServerNotStarted("the server was not acquired yet", hint="call acquire() first")
        return self._url

    def acquire(self) -> str:
        """Use the server; start it if it does not run.

        Calling it again is cheap, counts once, and brings a server back that died. The use ends with `release`, or
        when the process ends.

        Returns:
            The server's URL. It stays the same while anybody uses the server.

        Raises:
            ServerRefused: these are production surroundings.
            ServerBinaryNotFound: there is nothing to start.
            ServerNotStarted: it ended at once or does not answer; the message has its own words.
        """
        refuse_production(self._environ, embedded=self._embedded)
        make_place(self._place)
        with through(self._place.gate, patience_s=PASSES_WITHIN_S):
            self._url = self._ready()
            inherited = None
            if self._share is not None and not self._share.ours:
                inherited, self._share = self._share, None
            if self._share is None:
                self._share = users.join(self._place)
                atexit.register(self._at_exit)
            if inherited is not None:
                inherited.lock.forget()
        return self._url

    def release(self) -> None:
        """Stop using the server, together with all forks; the last user ends it. Safe to call twice.

        In a fork of the process that called `acquire` it changes nothing for the others.

        Raises:
            ServerError: the server cannot be ended.
        """
        share = self._share
        if share is None:
            return
        if not share.ours:
            self._share = None
            share.lock.forget()
            return
        with self._passing():
            share, self._share = self._share, None
            if share is not None:
                users.leave(share)
                atexit.unregister(self._at_exit)
            if not self._place.keep.exists() and not users.anybody(self._place):
                process.end(self._place)

    def __enter__(self) -> Self:
        """Acquire."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release."""
        self.release()

    def start(self) -> str:
        """Start the server and keep it without users, until `stop`.

        Returns:
            The server's URL.

        Raises:
            ServerRefused, ServerBinaryNotFound, ServerNotStarted: as `acquire`.
        """
        refuse_production(self._environ, embedded=self._embedded)
        make_place(self._place)
        with through(self._place.gate, patience_s=PASSES_WITHIN_S):
            self._url = self._ready()
            self._place.keep.touch(mode=0o600)
        return self._url

    def stop(self, *, force: bool = False) -> bool:
        """End the server, kept or not. One's own use does not stand in the way, and ends with it.

        Parameters:
            force: end it although others use it.

        Returns:
            Whether there was a server to end.

        Raises:
            ServerInUse: others use it; the message and `pids` tell who.
            ServerError: the server cannot be ended.
        """
        if not self._place.directory.is_dir():
            return False
        with self._passing():
            return self._stop(force=force)

    def reset(self, *, force: bool = False) -> None:
        """End the server and delete its data.

        Parameters:
            force: do it although others use it.

        Raises:
            ServerInUse: others use it; the message and `pids` tell who.
            ServerError: the server cannot be ended, or the data cannot be deleted.
        """
        if not self._place.directory.is_dir():
            return
        with self._passing():
            self._stop(force=force)
            process.erase(self._place)

    def status(self) -> ServerStatus:
        """What there is, without waiting for anybody and without starting anything."""
        return read_status(self.name, self._place)

    def _passing(self) -> contextlib.AbstractContextManager[None]:
        make_place(self._place)
        return through(self._place.gate, patience_s=PASSES_WITHIN_S)

    def _at_exit(self) -> None:
        with contextlib.suppress(ServerError, OSError):
            self.release()

    def _stop(self, *, force: bool) -> bool:
        used = self._share is not None and self._share.ours
        if self._share is not None and used:
            users.leave(self._share)
            self._share = None
        if not force and users.anybody(self._place):
            error = _in_use(self._place)
            if used:
                self._share = users.join(self._place)
            raise error
        atexit.unregister(self._at_exit)
        ran = is_locked(self._place.alive)
        process.end(self._place)
        self._place.keep.unlink(missing_ok=True)
        return ran

    def _ready(self) -> str:
        place = self._place
        try:
            endpoint = _adopt(place) or _start(place, self._environ)
        except BaseException:
            # Interrupted, or hung: nobody will come for what was started here, unless somebody uses it already.
            if not place.keep.exists() and not users.anybody(place):
                with contextlib.suppress(ServerError):
                    process.end(place)
            raise
        return socket_url(endpoint.path)


def _adopt(place: Place) -> Endpoint | None:
    if not is_locked(place.alive):
        return None
    endpoint = read_endpoint(place)
    answer = Answer.SILENT if endpoint is None else process.await_ready(place, endpoint, found=True)
    if answer is Answer.READY:
        return endpoint
    if answer is Answer.SILENT:
        if users.anybody(place) and endpoint is not None and ping(endpoint.path) is Answer.SILENT:
            raise ServerNotStarted(
                f"the server in {place.directory} lives but does not answer",
                hint="heijunka server stop --force, or ask its users",
                directory=str(place.directory),
            )
        process.end(place)
    return None


def _start(place: Place, environ: Mapping[str, str]) -> Endpoint:
    binary = find_binary(environ)
    before = read_endpoint(place)
    # Those who used the server that died reconnect to the URL they have.
    keeps_url = before is not None and users.anybody(place) and still_usable(before.path)
    socket = before.path if before is not None and keeps_url else choose_socket(place, environ)
    if ask_to_stop(socket):
        # Its directory was deleted and made again under its feet: it holds the locks of files that are gone.
        process.await_silence(socket)
    endpoint = endpoint_of(socket, binary)
    alive = process.take_over(place)
    try:
        write_endpoint(place, endpoint)
        process.spawn(place, endpoint, alive, environ)
    finally:
        alive.forget()
    mark(place, socket)
    answer = process.await_ready(place, endpoint, found=False)
    if answer is not Answer.READY:
        what = "ended at once" if answer is Answer.ABSENT else "does not answer"
        words = process.complaint(place)
        raise ServerNotStarted(
            f"the server {what}: {words}" if words else f"the server {what}",
            hint=f"read {place.log}; `heijunka server reset` deletes its data",
            directory=str(place.directory),
        )
    sweep(socket.parent, but=place)
    return endpoint


def _in_use(place: Place) -> ServerInUse:
    found = users.named(place)
    who = ", ".join(str(user) for user in found) if found else "a fork of a process that ended"
    return ServerInUse(
        f"the server is used by {who}", pids=tuple(user.pid for user in found), directory=str(place.directory)
    )
