"""Take jobs."""

from __future__ import annotations

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.keys import SUSPECTS, DomainKeys

PRIORITY_LETTERS = ("", "n", "h", "h", "n", "n", "l", "l")
"""The priority's letter by source, from 1; suspects carry theirs in the entry, or somebody else wrote them."""

_LETTERS = frozenset({b"h", b"n", b"l"})
_DIGITS = 6


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A job as a worker holds it.

    Attributes:
        source: place of its stream among the domain's sources, from 1.
        id: the stream entry's id, which is the fencing token.
        job: the blob.
        priority: "h", "n" or "l".
        deliveries: how often a worker died while running it.
        overdue: whether its last attempt outlived its limit and is still to be settled as failed.
        marked: whether it was cancelled while somebody held it, and is to be ended instead of run.
    """

    source: int
    id: bytes
    job: bytes
    priority: str
    deliveries: int = 0
    overdue: bool = False
    marked: bool = False


class Pulled(msgspec.Struct, frozen=True):
    """What was taken.

    Attributes:
        entries: the jobs, in the order they should start.
        suspects: whether suspects wait for a worker that is alone.
        paused: letters of the paused priorities, such as "nl"; of these nothing was taken.
    """

    entries: list[Entry]
    suspects: bool = False
    paused: str = ""


class Lost(msgspec.Struct, frozen=True):
    """The worker's lease is over and somebody took back what it held."""


def pull(keys: DomainKeys, worker: str, count: int, *, alone: bool) -> Command[Pulled | Lost]:
    """Take up to `count` jobs for `worker`; a suspect only if it is `alone` with it.

    Not repeatable: after a lost reply ask `held` instead.
    """
    return Command(
        "pull",
        keys=(keys.workers, keys.bell, keys.limits, keys.cancels, *keys.sources),
        args=(worker, count, 1 if alone else 0),
        read=_read,
        repeatable=False,
    )


def held(keys: DomainKeys, worker: str, *, count: int) -> Command[Pulled | Lost]:
    """What `worker` holds by Redis's account, up to `count` jobs of each source."""
    return Command("held", keys=(keys.workers, keys.cancels, *keys.sources), args=(worker, count), read=_read)


def _read(reply: Reply) -> Pulled | Lost:
    if reply[0] == b"lost":
        return Lost()
    entries: list[Entry] = []
    suspects, paused, first = False, "", 1
    if reply[0] == b"paused":
        paused, first = reply[1].decode(), 2
    for at in range(first, len(reply), 2):
        source = reply[at]
        suspects = suspects or (source == SUSPECTS and not reply[at + 1])
        letter = PRIORITY_LETTERS[source]
        for entry_id, fields in reply[at + 1]:
            if fields is None:  # deleted by somebody else while it was pending
                continue
            if len(fields) == 2:
                entries.append(Entry(source, entry_id, fields[1], letter))
            else:
                named = dict(zip(fields[::2], fields[1::2], strict=True))
                entries.append(_with_more(source, entry_id, named, letter))
    return Pulled(entries, suspects, paused)


def _with_more(source: int, entry_id: bytes, named: dict[bytes, bytes], letter: str) -> Entry:
    """An entry with more fields than its job.

    Whoever may write to a stream may have written anything: what makes no sense must not end the worker, since the
    next one would be given it too. An entry without a job is one that cannot be decoded.
    """
    own, deliveries = named.get(b"p", b""), named.get(b"d", b"")
    return Entry(
        source,
        entry_id,
        named.get(b"j", b""),
        own.decode() if own in _LETTERS else letter,
        int(deliveries) if deliveries.isdigit() and len(deliveries) <= _DIGITS else 0,
        overdue=b"o" in named,
        marked=b"m" in named,
    )
