"""A dead letter: a job that nobody will run again unless somebody says so, and why.

Reading one never fails: what cannot be decoded is shown as far as it can, because a letter that cannot be read is
the one an operator has to look at.
"""

from __future__ import annotations

import base64
import re
from functools import cached_property
from typing import Any, Final

import msgspec

from heijunka import wire
from heijunka.commands.letters import Stored
from heijunka.control.fingerprint import fingerprint
from heijunka.control.plain import plain
from heijunka.errors import UndecodableArguments, UndecodableJob

NOTES: Final = 10
"""Changes of one letter that are remembered."""

ENTRY: Final = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)
"""What a letter's entry id looks like."""


class Note(msgspec.Struct, frozen=True, array_like=True):
    """One change of a letter.

    Attributes:
        version: the record's format.
        at_ms: when, by Redis's clock.
        by: who, as they called themselves.
        said: what was changed; names of arguments, never their values.
    """

    version: int
    at_ms: int
    by: str = ""
    said: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A dead letter.

    Attributes:
        domain: whose it is.
        entry: its name: the entry id in Redis. A change of the letter gives it another one.
        blob: the job as it is stored.
        job: decoded, or None when that cannot be done.
        reason: why it died: retries, rejected, final, expired, poison, unknown task, undecodable …
        failure: the record of its last attempt, or None when that cannot be decoded.
        deliveries: how often a worker died while running it.
        notes: its changes, the oldest first.
    """

    domain: str
    entry: str
    blob: bytes
    job: wire.Job | None
    reason: str
    failure: wire.Failure | None
    deliveries: int
    notes: tuple[Note, ...]

    @property
    def id(self) -> str:
        """The job's id; "" when the blob is too short to have one."""
        return wire.id_text(self.blob[4:20]) if len(self.blob) >= 20 else ""

    @property
    def task(self) -> str:
        """The task's name; "" when the job cannot be decoded."""
        return "" if self.job is None else self.job.task

    @property
    def since_ms(self) -> int:
        """Since when it lies here as it is, ms since the epoch by Redis's clock."""
        return int(self.entry.partition("-")[0])

    @property
    def attempt(self) -> int:
        """Which attempt was the last; 0 when nobody knows."""
        if self.failure is not None and self.failure.attempt:
            return self.failure.attempt
        return 0 if self.job is None else self.job.attempt

    @property
    def error_type(self) -> str:
        """The exception's class, or ""."""
        return "" if self.failure is None else self.failure.error_type

    @property
    def message(self) -> str:
        """The exception's text, or what happened."""
        return "" if self.failure is None else self.failure.message

    @cached_property
    def errors(self) -> tuple[wire.FailedAttempt, ...]:
        """Its last ten attempts that failed, the oldest first; the one that ended it is the last."""
        before = () if self.job is None else self.job.errors
        last = self.failure
        if last is None or not last.error_type:  # it was not an attempt that ended it
            return before
        return wire.with_error(
            before,
            self.attempt,
            error_type=last.error_type,
            message=last.message,
            worker=last.worker,
            at_ms=last.at_ms,
        )

    @cached_property
    def fingerprint(self) -> str:
        """The same for letters that died of the same; see `heijunka.control.fingerprint`."""
        trace = "" if self.failure is None else self.failure.traceback
        return fingerprint(self.task, self.reason, self.error_type, self.message, trace)

    def summary(self) -> dict[str, Any]:
        """What a list shows of it, in plain values."""
        return {
            "domain": self.domain,
            "letter": self.entry,
            "id": self.id,
            "task": self.task,
            "reason": self.reason,
            "fingerprint": self.fingerprint,
            "error_type": self.error_type,
            "message": self.message,
            "attempt": self.attempt,
            "deliveries": self.deliveries,
            "worker": "" if self.failure is None else self.failure.worker,
            "since_ms": self.since_ms,
        }

    def facts(self) -> dict[str, Any]:
        """Everything about it, in plain values: the summary, and what `heijunka dlq export` adds.

        Keys:
            failure: the record of its last attempt, or None.
            errors: its last ten attempts that failed, the oldest first.
            notes: its changes.
            deadline_ms, options: of the job, where it has them.
            arguments: by name, as `heijunka.control.plain` writes them; None when they cannot be read.
            payload: the whole job as it is stored, base64.
        """
        job = self.job
        return {
            **self.summary(),
            "failure": _fields(self.failure),
            "errors": [_fields(error) for error in self.errors],
            "notes": [_fields(note) for note in self.notes],
            "deadline_ms": None if job is None else job.deadline_ms,
            "options": None if job is None else _fields(job.options),
            "arguments": self.arguments(),
            "payload": base64.b64encode(self.blob).decode(),
        }

    def arguments(self) -> Any:
        """What the task was called with, as plain JSON values by name; None when they cannot be read."""
        try:
            return None if self.job is None else plain(self.job.args)
        except UndecodableArguments:
            return None

    def fresh(self, due_ms: int) -> bytes:
        """The job with its attempts all before it, and with the errors of those behind it.

        A deadline that would have passed is dropped: who retries a job that expired means it to run. A job that
        cannot be decoded stays as it is; a worker of another version may know its format.

        Parameters:
            due_ms: when it will be due, ms since the epoch by Redis's clock.
        """
        if self.job is None:
            return self.blob
        deadline_ms = self.job.deadline_ms
        if deadline_ms is not None and deadline_ms <= due_ms:
            deadline_ms = None
        job = msgspec.structs.replace(self.job, attempt=1, deadline_ms=deadline_ms, errors=self.errors, parked_ms=0)
        return wire.encode_job(job)


def read_letter(domain: str, stored: Stored) -> Letter:
    """A letter from how it is stored."""
    fields = stored.fields
    blob = fields.get(b"j", b"")
    return Letter(
        domain=domain,
        entry=stored.entry,
        blob=blob,
        job=_job(blob),
        reason=fields.get(b"r", b"").decode("utf-8", "backslashreplace"),
        failure=_failure(fields.get(b"f", b"")),
        deliveries=int(deliveries) if (deliveries := fields.get(b"d", b"")[:9]).isdigit() else 0,
        notes=_notes(fields.get(b"n", b"")),
    )


def noted(letter: Letter, note: Note) -> tuple[Note, ...]:
    """The last notes of a letter, with one more."""
    return (*letter.notes, note)[-NOTES:]


def _job(blob: bytes) -> wire.Job | None:
    try:
        return wire.decode_job(blob)
    except UndecodableJob:
        return None


def _failure(record: bytes) -> wire.Failure | None:
    try:
        end = wire.decode_end(record)
    except UndecodableJob:
        return None
    return end if isinstance(end, wire.Failure) else None


def _notes(stored: bytes) -> tuple[Note, ...]:
    try:
        return msgspec.msgpack.decode(stored, type=tuple[Note, ...]) if stored else ()
    except msgspec.DecodeError:
        return ()


def _fields(struct: msgspec.Struct | None) -> dict[str, Any] | None:
    """A struct as an object, although it travels as an array."""
    if struct is None:
        return None
    return {name: msgspec.to_builtins(value) for name, value in msgspec.structs.asdict(struct).items()}
