"""Read dead letters, give them back, change them, purge them.

A letter is named by its entry id in the stream. Whatever changes a letter deletes its entry, so a name is good
for one change only, and a second caller is told that the letter is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heijunka.broker.command import Argument, Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.commands.enqueue import Overtaken
from heijunka.keys import DomainKeys

MOST: Final = 500
"""Letters of one call at most."""

PAGE_BYTES: Final = 1_000_000
"""After which a page of letters ends."""


class Stored(msgspec.Struct, frozen=True):
    """A dead letter as it is stored.

    Attributes:
        entry: its entry id.
        fields: j the job, r the reason, f the failure, d the deliveries charged, n the notes of changes.
    """

    entry: str
    fields: dict[bytes, bytes]


class Page(msgspec.Struct, frozen=True):
    """Some dead letters.

    Attributes:
        letters: in the order they were asked for.
        more: where to go on, None after the last.
    """

    letters: tuple[Stored, ...]
    more: str | None


class Revival(msgspec.Struct, frozen=True):
    """One letter that is to become a job again.

    Attributes:
        entry: the letter's entry id.
        where: the job's place, as `commands.enqueue.where` spells it.
        job: its blob; the id is the letter's.
    """

    entry: str
    where: str
    job: bytes


class Revived(msgspec.Struct, frozen=True):
    """What a call of `revive` did.

    Attributes:
        absent: 0-based places of the letters that were not there any more.
        replayed: whether this answers a repeated call from the first one's reply.
    """

    absent: tuple[int, ...]
    replayed: bool = False


class Amended(msgspec.Struct, frozen=True):
    """The letter was changed; `entry` is what it is called now."""

    entry: str


class Gone(msgspec.Struct, frozen=True):
    """The letter was not there any more."""


class Purged(msgspec.Struct, frozen=True):
    """What a call deleted.

    Attributes:
        letters: how many.
        more: whether there is more to delete.
    """

    letters: int
    more: bool = False


def letters(
    keys: DomainKeys,
    *,
    start: str = "-",
    end: str = "+",
    newest: bool = False,
    reason: str = "",
    limit: int = MOST,
    page_bytes: int = PAGE_BYTES,
) -> Command[Page]:
    """Some dead letters, from entry id `start` on; `(` in front begins behind it.

    Parameters:
        keys: of their domain.
        start: entry id to begin with; a moment in ms since the epoch will do.
        end: entry id to end with. Both are the ends of the stream when left out, whatever the direction.
        newest: read backwards; `start` is the later of the two then.
        reason: of the letters that are wanted, "" for any.
        limit: letters looked at, at most; 1 to 500.
        page_bytes: after which the page ends.
    """
    if newest:
        start, end = ("+" if start == "-" else start), ("-" if end == "+" else end)
    return Command(
        "letters",
        keys=(keys.dead,),
        args=(start, end, int(newest), reason, min(max(limit, 1), MOST), max(page_bytes, 1)),
        read=_page,
    )


def revive(
    keys: DomainKeys, revivals: Sequence[Revival], *, now: Milliseconds = SERVER_CLOCK
) -> Command[Revived | Overtaken]:
    """Make dead letters jobs again, at most 500."""
    args: list[Argument] = [now]
    for revival in revivals:
        args += (revival.entry, revival.where, revival.job)
    return Command(
        "revive",
        keys=(
            *(keys.stats, keys.bell, keys.wake, keys.scheduled, keys.dead, keys.results, keys.cancels, keys.limits),
            *keys.ready,
        ),
        args=args,
        read=_revived,
        sessions=keys.sessions,
    )


def amend(keys: DomainKeys, entry: str, *, job: bytes, notes: bytes) -> Command[Amended | Gone | Overtaken]:
    """Change the job of a dead letter.

    Parameters:
        keys: of its domain.
        entry: the letter's entry id.
        job: the changed blob; its id must be the letter's.
        notes: of all changes of this letter, this one included.
    """
    return Command("amend", keys=(keys.dead,), args=(entry, job, notes), read=_amended, sessions=keys.sessions)


def purge(keys: DomainKeys, entries: Sequence[str]) -> Command[Purged | Overtaken]:
    """Delete dead letters, at least one and at most 500; those that are gone already do not count."""
    return Command("purge", keys=(keys.stats, keys.dead), args=entries, read=_purged, sessions=keys.sessions)


def trim(
    keys: DomainKeys,
    *,
    age_ms: int | None = None,
    keep: int | None = None,
    limit: int = 100,
    now: Milliseconds = SERVER_CLOCK,
) -> Command[Purged]:
    """Delete the oldest dead letters that are beyond a bound; call again while there is more.

    Parameters:
        keys: of their domain.
        age_ms: how long letters are kept; None for ever.
        keep: how many of them are kept; None for any number.
        limit: letters deleted at most; 1 to 500.
        now: ms, 0 for the server's clock.
    """
    return Command(
        "trim",
        keys=(keys.stats, keys.dead),
        args=(now, -1 if age_ms is None else age_ms, -1 if keep is None else keep, min(max(limit, 1), MOST)),
        read=lambda reply: Purged(reply[1], reply[0] == b"more"),
    )


def _page(reply: Reply) -> Page:
    return Page(
        tuple(Stored(entry.decode(), dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in reply[-1]),
        reply[1].decode() if reply[0] == b"more" else None,
    )


def _revived(reply: Reply) -> Revived | Overtaken:
    if reply[0] == b"stale":
        return Overtaken()
    return Revived(tuple(place - 1 for place in reply[1:]), reply[0] == b"replayed")


def _amended(reply: Reply) -> Amended | Gone | Overtaken:
    match reply:
        case [b"amended", entry]:
            return Amended(entry.decode())
        case [b"absent"]:
            return Gone()
        case _:
            return Overtaken()


def _purged(reply: Reply) -> Purged | Overtaken:
    return Overtaken() if reply[0] == b"stale" else Purged(reply[1])
