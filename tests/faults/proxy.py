"""A network that misbehaves on demand: TCP in front, a server's unix socket behind.

It serves on an event loop in a thread of its own. What it does to a connection it does to both
directions unless it says otherwise, and what it cuts it resets, so that the client learns of it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Final, Literal

Mode = Literal["pass", "blackhole", "refuse"]
"""`blackhole` keeps connections open and moves nothing; `refuse` resets every new connection."""

_RESET: Final = struct.pack("ii", 1, 0)
_CHUNK: Final = 1 << 16


class Proxy:
    """One proxy.

    Parameters:
        upstream: the server's unix socket.
        chance: decides which replies are lost.

    Attributes:
        mode: what happens to traffic; may be set at any time.
        latency_s: added to each request and to each reply.
        lost: replies that were lost although the request had been done.
        accepted: connections that were made.
    """

    def __init__(self, upstream: str, chance: random.Random) -> None:
        self._upstream, self._chance = upstream, chance
        self.mode: Mode = "pass"
        self.latency_s = 0.0
        self.lost = self.accepted = 0
        self._share = 0.0
        self._only: tuple[bytes, ...] = ()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="proxy", daemon=True)
        self._thread.start()
        self._up.wait()

    def lose(self, share: float, only: Sequence[bytes] = (b"",)) -> None:
        """From now on reset some connections instead of passing a reply on.

        Parameters:
            share: of the replies, from 0 to 1.
            only: the request must contain one of these.
        """
        self._share, self._only = share, tuple(only)

    def cut(self) -> None:
        """Reset every connection, now."""
        self._told(self._cut)

    def close(self) -> None:
        """Reset everything and serve no more."""
        self._told(self._stop.set)
        self._thread.join()

    def _told(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def act() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accepted, sock=self._listener)
        self._up.set()
        await self._stop.wait()
        server.close()
        self._cut()
        for serving in tuple(self._serving):
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _cut(self) -> None:
        for writer in tuple(self._writers):
            _reset(writer)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        serving = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers, pumps = [writer], list[asyncio.Task[None]]()
        self._writers.add(writer)
        try:
            if self.mode == "refuse":
                return
            behind, to_server = await asyncio.open_unix_connection(self._upstream)
            writers.append(to_server)
            self._writers.add(to_server)
            asked = _Asked()
            pumps = [
                asyncio.ensure_future(self._requests(reader, to_server, asked)),
                asyncio.ensure_future(self._replies(behind, writer, asked)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # the server is away: whoever connected is told by the reset
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for each in writers:
                self._writers.discard(each)
                _reset(each)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: _Asked) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                asked.what = data
                await self._hold()
                writer.write(data)
                await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: _Asked) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._hold()
                if self._loses(asked.what, data):
                    self.lost += 1
                    return
                writer.write(data)
                await writer.drain()

    async def _hold(self) -> None:
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        while self.mode == "blackhole":  # noqa: ASYNC110 - it is set from other threads
            await asyncio.sleep(0.01)

    def _loses(self, request: bytes, reply: bytes) -> bool:
        if not self._share or reply.startswith(b"-") or not any(word in request for word in self._only):
            return False
        return self._chance.random() < self._share


class _Asked:
    """The last request of a connection."""

    what = b""


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0 and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
