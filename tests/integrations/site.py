"""A web application behind a real server: uvicorn on loopback, in a thread of the test's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from heijunka.app import Lease
from heijunka.integrations.asgi import LEASE, ASGIApp, Receive, Scope, Send
from tests.fixtures.waiting import wait_until


class Site:
    """What the tests ask for, by path. It answers when the test lets it.

    Attributes:
        started: set when a handler began.
        go: what handlers of `/slow`, `/stream` and `/after` wait for.
        ended: the paths whose handlers have returned.
        lives: what the lifespan was told.
        admitted: what handlers found in their scope.
    """

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()
        self.ended: list[str] = []
        self.lives: list[str] = []
        self.admitted: list[Lease | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"]
        self.admitted.append(scope.get(LEASE))
        try:
            await self._answer(path, receive, send)
        finally:
            self.ended.append(path)

    async def _answer(self, path: str, receive: Receive, send: Send) -> None:
        if path == "/broken":
            raise KeyError(path)
        if path == "/slow":
            await self._wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        if path == "/stream":
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            self.started.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            await self._wait()
            return
        await send({"type": "http.response.body", "body": path.encode()})
        if path == "/after":
            await self._wait()

    async def _wait(self) -> None:
        self.started.set()
        await asyncio.to_thread(self.go.wait, 30)

    async def _live(self, receive: Receive, send: Send) -> None:
        for _ in range(2):
            word = (await receive())["type"]
            self.lives.append(word)
            await send({"type": f"{word}.complete"})


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address of a server with `app`; it ends with the block."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="critical", lifespan="on", http="h11", ws="none", timeout_graceful_shutdown=20
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
