"""Take back what a dead worker held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import DomainKeys

LIMIT = 100

State = Literal["recovered", "more", "alive", "unknown"]


class Recovered(msgspec.Struct, frozen=True):
    """What a call of `recover` did.

    Attributes:
        state: "recovered" when nothing is left; "more" when it must be called again; "alive" when the
            lease is not over; "unknown" when the worker is not registered.
        returned: jobs given back uncharged.
        charged: jobs given back as suspects.
        buried: jobs dead-lettered as poison.
        overdue: jobs given back with a mark that their attempt outlived its limit.
    """

    state: State
    returned: int = 0
    charged: int = 0
    buried: int = 0
    overdue: int = 0


def recover(
    keys: DomainKeys,
    worker: str,
    *,
    death: Literal["seen", "lapsed"],
    failure: bytes,
    max_deliveries: int,
    keep_ms: int,
    started: Iterable[tuple[int, str]] = (),
    overdue: Iterable[tuple[int, str]] = (),
    limit: int = LIMIT,
    now: Milliseconds = SERVER_CLOCK,
) -> Command[Recovered]:
    """Take back what `worker` held.

    Parameters:
        keys: of its domain.
        worker: its id.
        death: "seen" by its supervisor, or "lapsed": only if its lease is over, and everything it held
            counts as started.
        failure: the record that a dead letter gets.
        max_deliveries: deliveries at which a job is dead-lettered.
        keep_ms: how long the failure is kept for who waits for the result; 0 for not at all.
        started: source and entry id of what it was running, and may have died of.
        overdue: source and entry id of attempts that outlived their limit; whoever pulls them next settles
            them as failed.
        limit: jobs of each source at most.
        now: ms, 0 for the server's clock.
    """
    return Command(
        "recover",
        keys=(keys.workers, keys.stats, keys.bell, keys.dead, keys.results, *keys.sources),
        args=(
            worker,
            death,
            now,
            limit,
            max_deliveries,
            failure,
            keep_ms,
            *_blamed(started, "started"),
            *_blamed(overdue, "overdue"),
        ),
        read=_read,
    )


def _blamed(entries: Iterable[tuple[int, str]], blame: str) -> Iterator[str]:
    for source, entry in entries:
        yield from (f"{source} {entry}", blame)


def _read(reply: Reply) -> Recovered:
    return Recovered(reply[0].decode(), *reply[1:])
