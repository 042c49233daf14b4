"""The customers' web server: takes notices on loopback, and keeps a ledger of what it got.

A job may run twice, when its worker died after starting it, and then it posts twice. The ledger is kept
by job, so each notice is in it once, and how many came again is counted apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Final, Self

from heijunka_cli.demo.app import ACCEPTED, LOOPBACK

BUSY: Final = "busy"
"""What the names of customers begin with whose server refuses at first."""

REFUSALS: Final = 2
"""How often such a customer refuses the same notice."""

_NO_NOTICE: Final = (OSError, EOFError, asyncio.LimitOverrunError, ValueError, LookupError)
_HEAD_BYTES: Final = 16_384
_BACKLOG: Final = 1_024


class Web:
    """A small HTTP server in a thread of its own, while it is entered.

    Attributes:
        port: where it listens.
        ledger: bytes of each notice it took, by the job's id.
        again: notices that it had already.
        refused: requests that it refused because the customer was busy.
    """

    def __init__(self) -> None:
        self.port = 0
        self.ledger: dict[str, int] = {}
        self.again = 0
        self.refused = 0
        self._refusals: dict[str, int] = {}
        self._up = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="demo-web", daemon=True)

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            OSError: there is no port.
        """
        self._thread.start()
        self._up.wait()
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *about: object) -> None:
        """Stop listening, and end the thread."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failed = error
        finally:
            self._up.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._meet, LOOPBACK, 0, backlog=_BACKLOG, limit=_HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._over.wait()
        server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A worker that is killed while it posts hangs up in the middle, and other programs may call here.
        with contextlib.suppress(*_NO_NOTICE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            _, _, customer = head[0].split(" ")[1].rpartition("/")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            size = len(await reader.readexactly(int(fields["content-length"])))
            writer.write(f"HTTP/1.1 {self._answer(customer, fields['idempotency-key'], size)}\r\n".encode())
            writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    def _answer(self, customer: str, job: str, size: int) -> str:
        if customer.startswith(BUSY) and self._refusals.get(job, 0) < REFUSALS:
            self._refusals[job] = self._refusals.get(job, 0) + 1
            self.refused += 1
            return "503 Service Unavailable"
        self.again += job in self.ledger
        self.ledger[job] = size
        return f"{ACCEPTED} Accepted"
