"""What travels: the job's blob, results, and the record of a failure.

Everything is msgpack, starts with its format version, and is never unpickled. A blob's first bytes are
fixed (array header, version, 16-byte id at bytes 5 to 20), which is all that Lua ever looks at.
Arguments are encoded once, when the job is enqueued, and pass through everything after that as they are.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import Annotated, Final, Literal

import msgspec

from heijunka.errors import UndecodableJob

FORMAT: Final = 1

ID_IN_BLOB: Final = slice(4, 20)
"""Where the id stands in every blob, for who need not decode it."""

NOTHING: Final = msgspec.Raw(b"\xc0")
"""msgpack's nil."""

Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Span = Annotated[int, msgspec.Meta(ge=0, le=10 * 366 * 86_400_000)]
"""Milliseconds, up to ten years: what scripts and boards can take, whoever wrote the blob."""


class Options(msgspec.Struct, frozen=True, omit_defaults=True, rename={
    "timeout_ms": "t", "soft_timeout_ms": "s", "attempts": "n", "keep_result_ms": "k",
    "priority": "p", "on_expire": "x",
}):  # fmt: skip
    """What one call asked for that differs from its task.

    Attributes:
        timeout_ms: how long an attempt may run; 0 for as long as it likes.
        soft_timeout_ms: after which `SoftTimeout` is raised in it; 0 for never.
        attempts: how often it is tried at most.
        keep_result_ms: how long its result is kept; 0 for not at all.
        priority: "high", "normal" or "low".
        on_expire: "dead" or "drop", what becomes of it when its deadline passed.
    """

    timeout_ms: Span | None = None
    attempts: Count | None = None
    keep_result_ms: Span | None = None
    priority: str | None = None
    soft_timeout_ms: Span | None = None
    on_expire: str | None = None


class FailedAttempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One attempt that failed, as it travels with its job; `current_job().errors` has the last ten.

    Attributes:
        attempt: its number, from 1. A retry from the dead letters begins again at 1.
        error_type: the exception's class, with its module unless it is built in.
        message: the exception's text, cut to 200 characters.
        worker: who ran it, or "".
        at_ms: when it failed, ms since the epoch by the worker's wall clock.
    """

    attempt: int
    error_type: str = ""
    message: str = ""
    worker: str = ""
    at_ms: int = 0


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
        errors: of its last attempts, the oldest first. It is not written as long as there is none.
        parked_ms: since when it waits for a worker that knows its task, by Redis's clock; 0, and not written, when it
            does not.
    """

    version: int
    id: Id
    task: str
    args: msgspec.Raw
    attempt: Count = 1
    deadline_ms: int | None = None
    options: Options | None = None
    errors: tuple[FailedAttempt, ...] = ()
    parked_ms: int = 0


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
        signal: what killed the worker that ran it, such as "SIGSEGV", or "".
        exit_code: with which that worker ended, or None.
        stderr: the last lines that worker wrote, and where it crashed, or "".
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
    signal: str = ""
    exit_code: int | None = None
    stderr: str = ""


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

_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no msgpack, or nothing sensible."""


_WITHOUT_LAST: Final = [bytes([0x90 + len(Job.__struct_fields__) - less]) for less in range(3)]
"""How the blob of a job begins that has not the last field, or the last two: most jobs never fail nor wait."""
_BEFORE_ID: Final = _WITHOUT_LAST[2] + _encode(Job(FORMAT, bytes(16), "", NOTHING))[1:4]
_FIRST: Final = _encode(1)

ERRORS_KEPT: Final = 10
"""Failed attempts that travel with a job."""
_MESSAGE_CHARS: Final = 200
_TYPE_CHARS: Final = 100

_VERSION_7: Final = 0x7 << 76 | 0b10 << 62
_RANDOM: Final = (1 << 76) - 1 ^ 0b11 << 62


def new_id() -> bytes:
    """A UUIDv7: 48 bits of milliseconds, the rest random (RFC 9562, section 5.7)."""
    return (time.time_ns() // 1_000_000 << 80 | random.getrandbits(80) & _RANDOM | _VERSION_7).to_bytes(16)


def new_ids(count: int) -> list[bytes]:
    """Several at once: the bits of all are drawn together, in less than half the time."""
    each = (time.time_ns() // 1_000_000 << 80 | _VERSION_7).to_bytes(16) * count
    chance = random.getrandbits(128 * count) & int.from_bytes(_RANDOM.to_bytes(16) * count)
    ids = (int.from_bytes(each) | chance).to_bytes(16 * count)
    return [ids[at : at + 16] for at in range(0, len(ids), 16)]


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
    encoded = _encode(job)
    if job.parked_ms:
        return encoded
    less = 1 if job.errors else 2  # each of them takes one byte when it is empty
    return _WITHOUT_LAST[less] + encoded[1:-less]


def with_error(
    errors: tuple[FailedAttempt, ...], attempt: int, *, error_type: str, message: str, worker: str, at_ms: int
) -> tuple[FailedAttempt, ...]:
    """A job's errors with one more; the oldest goes when there are more than ten.

    Parameters:
        errors: so far.
        attempt: the number of the attempt that failed.
        error_type: the exception's class.
        message: the exception's text, of any length.
        worker: who ran it.
        at_ms: when it failed, by the worker's wall clock.
    """
    latest = FailedAttempt(attempt, _short(error_type, _TYPE_CHARS), _short(message, _MESSAGE_CHARS), worker, at_ms)
    return (*errors, latest)[-ERRORS_KEPT:]


class Envelope:
    r"""What the blobs of all first attempts of one kind of call share, encoded once.

    A new job's blob is then put together from bytes, in a third of the time that encoding it anew takes.

    Parameters:
        task: the task's name.
        options: what differs from the task, or None.

    Example:
        >>> job = Job(FORMAT, new_id(), "charge", raw(b"\x80"))
        >>> Envelope("charge", None).sealed(job.id, b"\x80", None) == encode_job(job)
        True
    """

    __slots__ = ("_dateless", "_options", "_task")

    def __init__(self, task: str, options: Options | None) -> None:
        self._task, self._options = _encode(task), _encode(options)
        self._dateless = _FIRST + _encode(None) + self._options

    def sealed(self, job_id: bytes, args: bytes, deadline_ms: int | None) -> bytes:
        """The blob of a new job with the encoded `args`; see `Job`."""
        if deadline_ms is None:
            return b"".join((_BEFORE_ID, job_id, self._task, args, self._dateless))
        return b"".join((_BEFORE_ID, job_id, self._task, args, _FIRST, _encode(deadline_ms), self._options))


def decode_job(blob: bytes) -> Job:
    """A job from its blob.

    Raises:
        UndecodableJob: the bytes are no job of a format we know.
    """
    try:
        job = _decode_job(blob)
    except _BROKEN as error:
        raise UndecodableJob(f"not a job: {error}") from error
    if job.version != FORMAT:
        raise UndecodableJob(f"format {job.version} of a job is unknown here", hint="upgrade this worker")
    return job


def encode_end(end: Result | Failure) -> bytes:
    """The record of how a job ended."""
    try:
        return _encode(end)
    except UnicodeEncodeError:
        return _encode(msgspec.structs.replace(end, **_printable(end)))


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
    except _BROKEN as error:
        raise UndecodableJob(f"not a result: {error}") from error


def _printable(end: Result | Failure) -> dict[str, str]:
    """Its texts, as UTF-8 can have them."""
    return {name: _spelled_out(text) for name, text in msgspec.structs.asdict(end).items() if isinstance(text, str)}


def _spelled_out(text: str) -> str:
    """Half a surrogate pair, say from a file's name, spelled out."""
    return text.encode(errors="backslashreplace").decode()


def _short(text: str, most: int) -> str:
    return _spelled_out(text if len(text) <= most else text[: most - 1] + "…")


def raw(encoded: bytes) -> msgspec.Raw:
    """Already encoded bytes, to be put into a record as they are."""
    return msgspec.Raw(encoded)
