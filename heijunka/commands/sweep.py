"""Cancel what waits in a queue."""

from __future__ import annotations

import msgspec

from heijunka.broker.command import Command
from heijunka.keys import DomainKeys

LIMIT = 500


class Swept(msgspec.Struct, frozen=True):
    """What a call of `sweep` did.

    Attributes:
        jobs: that were cancelled.
        more: whether it must be called again.
    """

    jobs: int
    more: bool


def sweep(keys: DomainKeys, stream: str, *, keep_ms: int, record: bytes, limit: int = LIMIT) -> Command[Swept]:
    """Cancel up to `limit` jobs of a stream that nobody has pulled.

    Parameters:
        keys: of its domain.
        stream: one of its sources.
        keep_ms: how long who waits for their results is told.
        record: how they ended.
        limit: jobs at most.
    """
    return Command(
        "sweep",
        keys=(keys.stats, keys.results, stream),
        args=(limit, keep_ms, record),
        read=lambda reply: Swept(reply[1], reply[0] == b"more"),
    )
