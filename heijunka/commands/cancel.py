"""Cancel one job, and name those that were cancelled while workers held them.

What nobody holds ends in the call. What a worker holds is marked: the mark is told to whoever pulls the job next,
and supervisors that see the number of marks grow tell it to the workers they have.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import DomainKeys
from heijunka.wire import id_text

Said = Literal["cancelled", "cancelling", "moved", "stale"]
"""What became of a call: the job has ended; a worker holds it and is told; it is not there any more; or the call
was overtaken by a later one of its caller."""

REMEMBER_MS: Final = 600_000
"""How long a cancelled job is remembered that keeps no results: its record is its only trace."""

FIRST: Final = "-inf"


class Spot(msgspec.Struct, frozen=True):
    """Where a job was seen.

    Attributes:
        place: among the scheduled jobs, in a stream, or "anywhere": it is to be marked wherever it is.
        at: there: the member, or the entry id.
        stream: the stream's key, if it is in one.
    """

    place: Literal["scheduled", "stream", "anywhere"]
    at: bytes = b""
    stream: str | None = None


class Marks(msgspec.Struct, frozen=True):
    """Some jobs that are marked.

    Attributes:
        at_ms: when each was marked, by its id; by Redis's clock.
        more: where to go on, None after the last.
    """

    at_ms: dict[bytes, int]
    more: str | None = None


def cancel(
    keys: DomainKeys, job_id: bytes, spot: Spot, *, keep_ms: int, record: bytes, now: Milliseconds = SERVER_CLOCK
) -> Command[Said]:
    """Cancel a job where it was seen.

    Parameters:
        keys: of its domain.
        job_id: 16 bytes.
        spot: where it was seen.
        keep_ms: how long the record is kept for who waits, if the job ends at once.
        record: how it ended, as `wire.encode_end` writes it.
        now: ms, 0 for the server's clock.
    """
    return Command(
        "cancel",
        keys=(
            keys.stats,
            keys.wake,
            keys.scheduled,
            keys.cancels,
            keys.result(id_text(job_id)),
            spot.stream or keys.suspects,
        ),
        args=(now, job_id, spot.place, spot.at, keep_ms, record),
        read=lambda reply: reply[0].decode(),
        sessions=keys.sessions,
    )


def marks(keys: DomainKeys, *, start: str = FIRST, limit: int = 500) -> Command[Marks]:
    """Up to `limit` marked jobs, those first that were marked first."""
    return Command("marks", keys=(keys.cancels,), args=(start, limit), read=_marks)


def _marks(reply: Reply) -> Marks:
    if reply[0] == b"more":
        return Marks(_by_id(reply[2:]), reply[1].decode())
    return Marks(_by_id(reply[1:]))


def _by_id(flat: Reply) -> dict[bytes, int]:
    return {job: int(at) for job, at in zip(flat[::2], flat[1::2], strict=True)}
