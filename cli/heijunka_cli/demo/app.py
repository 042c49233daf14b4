"""The demo's application: a shop that sells the source files of Python's standard library.

Nothing is simulated. A task reads a real file, does real work on it and reports what it did and in which
attempt; `books` holds these reports against the files and against what Redis counted.

The settings that matter are written here, so that the demo is the same whatever is configured around it.
"""

from __future__ import annotations

import asyncio
import hashlib
import tokenize
import zlib
from pathlib import Path
from typing import Final

import msgspec

from heijunka import Heijunka, current_job

LOOPBACK: Final = "127.0.0.1"
ACCEPTED: Final = 202

app = Heijunka(
    "demo",
    namespace="demo",
    log_level="WARNING",
    redis_timeout="5s",
    lease="15s",
    poll="1s",
    grace="1s",
    pull_size=10,
    attempts=5,
    retry_base="400ms",
    retry_cap="2s",
    timeout="30s",
    max_deliveries=3,
    max_payload="256KiB",
    max_result="256KiB",
    breaker="none",  # some of its jobs fail on purpose
    keep_result="10m",
)


class Seal(msgspec.Struct, frozen=True):
    """What `seal` reports: the bytes it read, their SHA-256, and the attempt."""

    size: int
    sha256: str
    attempt: int


class Parcel(msgspec.Struct, frozen=True):
    """What `pack` reports: the bytes it read, the bytes that were left of them, and the attempt."""

    size: int
    packed: int
    attempt: int


class Weight(msgspec.Struct, frozen=True):
    """What `weigh` reports: the bytes it read, the tokens in them, and the attempt."""

    size: int
    tokens: int
    attempt: int


class Notice(msgspec.Struct, frozen=True):
    """What `notify` reports: the bytes it posted, and the attempt."""

    size: int
    attempt: int


Report = Seal | Parcel | Weight | Notice


class Refused(Exception):
    """The customer's server did not take a notice."""


@app.task(domain="payment", priority="high")
def seal(file: str) -> Seal:
    """Seal an invoice with its SHA-256."""
    content = Path(file).read_bytes()
    return Seal(len(content), hashlib.sha256(content).hexdigest(), current_job().attempt)


@app.task(domain="delivery", no_retry_on=FileNotFoundError)
def pack(file: str) -> Parcel:
    """Pack a file as small as zlib can. One that is not there will not be there later either."""
    content = Path(file).read_bytes()
    return Parcel(len(content), len(zlib.compress(content, 9)), current_job().attempt)


@app.task(domain="delivery", priority="low")
def weigh(file: str) -> Weight:
    """Weigh a file in tokens of Python."""
    with Path(file).open("rb") as source:
        tokens = sum(1 for _ in tokenize.tokenize(source.readline))
        return Weight(source.tell(), tokens, current_job().attempt)


@app.task(domain="notification")
async def notify(port: int, customer: str, file: str) -> Notice:
    """Post a file to a customer's server; one that is busy is tried again later.

    The job's id goes along: a server that hears of it twice knows that it is the same notice.
    """
    job, content = current_job(), await asyncio.to_thread(Path(file).read_bytes)
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(
            f"POST /{customer} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n"
            f"Idempotency-Key: {job.id}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        )
        writer.write(content)
        await writer.drain()
        status = (await reader.readline()).decode().split()
    finally:
        writer.close()
    if status[1:2] != [str(ACCEPTED)]:
        raise Refused(" ".join(status[1:]) or "no answer")
    return Notice(len(content), job.attempt)
