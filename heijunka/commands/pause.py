"""Hold queues back, let them go on, and empty them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import SUSPECTS, DomainKeys

START: Final = "0-0"
LIMIT: Final = 200


class Emptied(msgspec.Struct, frozen=True):
    """What a call of `empty` did.

    Attributes:
        jobs: how many it ended.
        more: where to go on; None when nothing is left that waits.
        overtaken: whether a later call of the same caller was done before, so that this copy did nothing.
    """

    jobs: int
    more: str | None = None
    overtaken: bool = False


def pause(keys: DomainKeys, verb: Literal["pause", "resume"], letters: str) -> Command[str]:
    """Let nothing of some priorities be pulled any more, or let it be pulled again; reads as the letters paused now.

    Parameters:
        keys: of the domain.
        verb: which of both.
        letters: of the priorities, such as "nl".
    """
    return Command("pause", keys=(keys.limits, keys.bell), args=(verb, letters), read=lambda reply: reply[1].decode())


def empty(
    keys: DomainKeys,
    source: int,
    *,
    letters: str,
    keep_ms: int,
    record: bytes,
    start: str = START,
    limit: int = LIMIT,
    now: Milliseconds = SERVER_CLOCK,
) -> Command[Emptied]:
    """End jobs that wait in a source as cancelled.

    Parameters:
        keys: of the domain.
        source: place of the stream among the domain's sources, from 1.
        letters: of the priorities that suspects are ended of; other streams have one priority each.
        keep_ms: how long the record is kept for who waits.
        record: how they ended, as `wire.encode_end` writes it.
        start: the entry id behind which to go on.
        limit: entries at most that are looked at.
        now: ms, 0 for the server's clock.
    """
    return Command(
        "empty",
        keys=(keys.stats, keys.limits, keys.room, keys.cancels, keys.results, keys.sources[source - 1]),
        args=(now, letters if source == SUSPECTS else "", limit, start, keep_ms, record),
        read=_read,
        sessions=keys.sessions,
    )


def _read(reply: Reply) -> Emptied:
    if reply[0] == b"stale":
        return Emptied(0, overtaken=True)
    return Emptied(reply[1], reply[2].decode() if reply[0] == b"more" else None)
