"""Read the dead letters of a domain, page by page.

Whoever walks over them from the oldest on is shown those that were there when the walk began, so a letter that comes
back to life and dies again meanwhile is not met twice. Nothing is held but the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from heijunka import wire
from heijunka.broker.client import Client
from heijunka.commands.inspect import Found, More, seek
from heijunka.commands.letters import MOST, letters
from heijunka.control.choice import EVERY, Choice
from heijunka.control.letter import ENTRY, Letter, read_letter
from heijunka.errors import InvalidOption, JobNotFound
from heijunka.keys import DomainKeys

BATCH: Final = 200
"""Letters that one call changes; a script that moves them takes about 8 ms, and everybody waits for it."""

BATCH_BYTES: Final = 1_000_000
"""After which a batch of letters is full, however few they are."""


def read(client: Client, keys: DomainKeys, choice: Choice = EVERY, *, newest: bool = False) -> Iterator[Letter]:
    """The letters of a domain that are meant.

    Parameters:
        client: executes commands.
        keys: of the domain.
        choice: which letters.
        newest: the newest first instead of the oldest.
    """
    oldest_at, newest_at = choice.span(round(server_clock(client)()) if choice.by_age else 0)
    if newest_at == "+" and not newest:
        last = client.execute(letters(keys, newest=True, limit=1)).letters
        newest_at = last[0].entry if last else "-"
    start, end = (newest_at, oldest_at) if newest else (oldest_at, newest_at)
    while True:
        page = client.execute(letters(keys, start=start, end=end, newest=newest, reason=choice.reason))
        for stored in page.letters:
            letter = read_letter(keys.domain, stored)
            if choice.fits(letter):
                yield letter
        if page.more is None:
            return
        start = page.more


def find(client: Client, keys: DomainKeys, name: str) -> Letter:
    """One letter by its entry id or by its job's id.

    Raises:
        JobNotFound: there is no such letter.
        InvalidOption: the name is neither an entry id nor a job's id.
    """
    entry = name if ENTRY.fullmatch(name) else _sought(client, keys, name)
    page = None if entry is None else client.execute(letters(keys, start=entry, end=entry, limit=1))
    if page is None or not page.letters:
        raise JobNotFound(
            f"{keys.domain} has no dead letter {name}",
            hint="it may have been retried, changed or purged meanwhile",
            job_id=name,
        )
    return read_letter(keys.domain, page.letters[0])


def most(found: Iterator[Letter], limit: int | None) -> Iterator[Letter]:
    """At most `limit` letters, without reading one more than needed; all of them when it is None."""
    if limit is None:
        yield from found
        return
    for _ in range(limit):
        letter = next(found, None)
        if letter is None:
            return
        yield letter


def batches(found: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Letters in lots that one call can carry: 200 of them, or about 1 MB."""
    batch: list[Letter] = []
    size = 0
    for letter in found:
        batch.append(letter)
        size += len(letter.blob)
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def server_clock(client: Client) -> Callable[[], float]:
    """Redis's clock from now on, in ms since the epoch, at the cost of one question."""
    seconds, micros = client.plain("TIME")
    behind = int(seconds) * 1_000 + int(micros) / 1_000 - time.monotonic() * 1_000
    return lambda: behind + time.monotonic() * 1_000


def _sought(client: Client, keys: DomainKeys, job_id: str) -> str | None:
    try:
        wanted, at = wire.id_bytes(job_id), "-"
    except ValueError:
        raise InvalidOption(
            f"{job_id!r} names no letter", hint="pass its entry id or its job's id", option="letter"
        ) from None
    while True:
        seen = client.execute(seek(keys.dead, wanted, start=at, limit=MOST))
        if isinstance(seen, Found):
            return str(seen.at)
        if not isinstance(seen, More):
            return None
        at = str(seen.at)
