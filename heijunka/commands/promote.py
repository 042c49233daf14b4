"""Move due jobs to where they may run."""

from __future__ import annotations

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import DomainKeys

LIMIT = 500


class Promoted(msgspec.Struct, frozen=True):
    """What a call of `promote` did.

    Attributes:
        jobs: how many were moved.
        wait_ms: how long until the next is due (0: it already is), or None when none waits.
        marked: how many jobs were ever marked as cancelled while workers held them; see `commands.cancel`.
    """

    jobs: int
    wait_ms: int | None
    marked: int = 0


def promote(keys: DomainKeys, *, limit: int = LIMIT, now: Milliseconds = SERVER_CLOCK) -> Command[Promoted]:
    """Move up to `limit` due jobs; call again while `wait_ms` is 0."""
    return Command(
        "promote", keys=(keys.scheduled, keys.bell, keys.stats, keys.limits, *keys.ready), args=(limit, now), read=_read
    )


def _read(reply: Reply) -> Promoted:
    return Promoted(reply[1], None if reply[2] < 0 else reply[2], reply[3])
