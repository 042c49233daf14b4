"""What travels: the job's blob, results, and the record of a failure.

Everything is msgpack, starts with its format version, and is never unpickled. A blob's first bytes are
fixed (array header, version, 16-byte id at bytes 5 to 20), which is all that Lua ever looks at.
Arguments are encoded once, when the job is enqueued, and pass through everything after that as they are.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import Final, Literal

import msgspec

from heijunka.errors import UndecodableJob

FORMAT: Final = 1

NOTHING: Final = msgspec.Raw(b"\xc0")
"""msgpack's nil."""


class Options(msgspec.Struct, frozen=True, omit_defaults=True, rename={
    "timeout_ms": "t", "attempts": "n", "keep_result_ms": "k", "priority": "p",
}):  # fmt: skip
    """What one call asked for that differs from its task.

    Attributes:
        timeout_ms: how long an attempt may run.
        attempts: how often it is tried at most.
        keep_result_ms: how long its result is kept; 0 for not at all.
        priority: "high", "normal" or "low".
    """

    timeout_ms: int | None = None
    attempts: int | None = None
    keep_result_ms: int | None = None
    priority: str | None = None


class Job(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A job as it is stored.

    Attributes:
        version: the blob's format.
        id: UUIDv7, 16 bytes; its time is the producer's clock at enqueue.
        task: the task's name.
        args: the encoded arguments, a msgpack map by parameter name.
        attempt: the number of the attempt this blob is for, from 1.
        deadline_ms: the moment after which it must not start, ms since the epoch, or None.
        options: what differs from the task, or None.
    """

    version: int
    id: bytes
    task: str
    args: msgspec.Raw
    attempt: int = 1
    deadline_ms: int | None = None
    options: Options | None = None


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """Why a job ended without a result; kept with its dead letter and given to who waits for it.

    Attributes:
        version: the record's format.
        state: "failed".
        reason: retries, rejected, expired, poison, unknown task, undecodable …
        error_type: the exception's class, or "".
        message: the exception's text, or what happened.
        traceback: the remote traceback, or "".
        attempt: which attempt it was.
        worker: who ran it last, or "".
        at_ms: when, by the worker's wall clock.
    """

    version: int
    state: Literal["failed"]
    reason: str
    error_type: str = ""
    message: str = ""
    traceback: str = ""
    attempt: int = 0
    worker: str = ""
    at_ms: int = 0


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What a job returned.

    Attributes:
        version: the record's format.
        state: "done".
        value: the encoded return value.
        attempt: which attempt it was.
        worker: who ran it.
        at_ms: when, by the worker's wall clock.
    """

    version: int
    state: Literal["done"]
    value: msgspec.Raw = NOTHING
    attempt: int = 0
    worker: str = ""
    at_ms: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode_job = msgspec.msgpack.Decoder(Job).decode
_decode_failure = msgspec.msgpack.Decoder(Failure).decode
_decode_result = msgspec.msgpack.Decoder(Result).decode


_VERSION_7: Final = 0x7 << 76 | 0b10 << 62
_RANDOM: Final = (1 << 76) - 1 ^ 0b11 << 62


def new_id() -> bytes:
    """A UUIDv7: 48 bits of milliseconds, the rest random (RFC 9562, section 5.7)."""
    return (time.time_ns() // 1_000_000 << 80 | random.getrandbits(80) & _RANDOM | _VERSION_7).to_bytes(16)


def id_text(job_id: bytes) -> str:
    """A job's id as people see it."""
    text = job_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def id_bytes(job_id: str) -> bytes:
    """A job's id as it is stored.

    Raises:
        ValueError: the text is no UUID.
    """
    return uuid.UUID(job_id).bytes


def id_ms(job_id: bytes) -> int:
    """When a job was created, ms since the epoch by its producer's clock."""
    return int.from_bytes(job_id[:6])


def encode_job(job: Job) -> bytes:
    """A job's blob."""
    return _encode(job)


def decode_job(blob: bytes) -> Job:
    """A job from its blob.

    Raises:
        UndecodableJob: the bytes are no job of a format we know.
    """
    try:
        job = _decode_job(blob)
    except msgspec.DecodeError as error:
        raise UndecodableJob(f"not a job: {error}") from error
    if job.version != FORMAT:
        raise UndecodableJob(f"format {job.version} of a job is unknown here", hint="upgrade this worker")
    return job


def encode_end(end: Result | Failure) -> bytes:
    """The record of how a job ended."""
    return _encode(end)


def decode_end(record: bytes) -> Result | Failure:
    """How a job ended, from its record.

    Raises:
        UndecodableJob: the bytes are no such record.
    """
    try:
        try:
            return _decode_result(record)
        except msgspec.ValidationError:
            return _decode_failure(record)
    except msgspec.DecodeError as error:
        raise UndecodableJob(f"not a result: {error}") from error


def raw(encoded: bytes) -> msgspec.Raw:
    """Already encoded bytes, to be put into a record as they are."""
    return msgspec.Raw(encoded)
