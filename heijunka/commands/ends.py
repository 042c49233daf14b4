"""Read how a job ended. Nothing here writes."""

from __future__ import annotations

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.commands.inspect import Absent, More
from heijunka.keys import DomainKeys
from heijunka.wire import id_text


class Ended(msgspec.Struct, frozen=True):
    """The job has ended.

    Attributes:
        record: how, as `wire.decode_end` reads it.
        letter: the entry id of its dead letter; None when the record that is kept for who waits told it.
    """

    record: bytes
    letter: str | None = None


def ends(keys: DomainKeys, job_id: bytes, *, start: str = "-", limit: int = 500) -> Command[Ended | More | Absent]:
    """How a job ended: by its record, else by its dead letter among up to `limit` from entry id `start` on.

    Parameters:
        keys: of its domain.
        job_id: 16 bytes.
        start: entry id to begin with among the dead letters, or `(` and one to begin behind.
        limit: dead letters at most; 0 looks at the record alone.
    """
    return Command("ends", keys=(keys.result(id_text(job_id)), keys.dead), args=(job_id, start, limit), read=_read)


def _read(reply: Reply) -> Ended | More | Absent:
    match reply:
        case [b"kept", record]:
            return Ended(record)
        case [b"dead", letter, record]:
            return Ended(record, letter.decode())
        case [b"more", at]:
            return More(at.decode())
        case _:
            return Absent()
