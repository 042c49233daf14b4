"""What must hold after any fault. Each function returns what is wrong in one line, or None.

I6 (one leader acts) and I7 (a tick fires once) have no function: nothing here is led or scheduled yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from heijunka.commands import Depths
from tests.faults.accounts import Account

SHOWN: Final = 10


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What is left in Redis and on the host.

    Attributes:
        entries: jobs in streams, by stream.
        pending: entries that somebody holds, by stream.
        consumers: consumers of groups who are no registered worker.
        processes: command lines of what should have ended.
        clients: names of connections that should be closed.
        boards: directories of supervisors that should be gone.
    """

    entries: Mapping[str, int] = {}
    pending: Mapping[str, int] = {}
    consumers: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()


def i1_nothing_is_lost(account: Account) -> str | None:
    """Accepted ⇒ ended, dead or still queued."""
    return _wrong("I1", f"{len(account.lost)} accepted jobs are lost", account.lost)


def i2_nothing_is_unexpected(account: Account) -> str | None:
    """Nothing runs that was refused or never enqueued, and nothing exists twice or under two ids."""
    return (
        _wrong("I2", f"{len(account.unexpected)} jobs were never accepted", account.unexpected)
        or _wrong("I2", f"{len(account.copies)} jobs exist more than once", account.copies)
        or _wrong("I2", f"{len(account.renamed)} jobs ran under several ids", account.renamed)
    )


def i3_the_books_balance(account: Account, depths: Depths) -> str | None:
    """What was enqueued is what ended, died or waits: by Heijunka's counters, and by the ledger."""
    entered = depths.counted("enqueued", "revived")
    left = depths.counted("ack", "done", "dead", "cancelled", "buried", "gone") + depths.load + depths.scheduled
    if entered != left:
        return f"I3: {entered} jobs were enqueued by the counters, {left} ended or wait"
    most = len(account.accepted) + len(account.unknown)
    if not len(account.accepted) <= depths.counted("enqueued") <= most:
        return f"I3: the counters have {depths.counted('enqueued')} jobs, producers {len(account.accepted)} to {most}"
    ended = depths.counted("ack", "done")
    if ended > sum(account.ended.values()):
        return f"I3: {ended} jobs are acked by the counters, the ledger has {sum(account.ended.values())} ends"
    return None


def i4_repeats_are_bounded(account: Account, most: int) -> str | None:
    """No more attempts are repeated than were in flight at the faults."""
    if account.repeats <= most:
        return None
    again = [op for op, times in account.started.items() if times - 1 - account.failed[op] > 0]
    return _wrong("I4", f"{account.repeats} attempts were repeated, at most {most} may be", again)


def i5_nothing_is_held(remains: Remains) -> str | None:
    """After the drain no stream holds an entry, no group a pending one or a stranger."""
    held = {**remains.entries, **{f"pending of {key}": count for key, count in remains.pending.items()}}
    left = {key: count for key, count in held.items() if count}
    if left:
        return f"I5: streams are not empty after the drain: {left}"
    return _wrong("I5", "consumers are left of workers that are not registered", remains.consumers)


def i8_nothing_leaks(remains: Remains) -> str | None:
    """When everybody has stopped no process, connection or board is left."""
    left = (*remains.processes, *(f"connection {name}" for name in remains.clients), *remains.boards)
    return _wrong("I8", f"{len(left)} things outlive their owners", left)


def violations(
    account: Account, depths: Depths, remains: Remains, *, repeats: int, but: Collection[str] = ()
) -> list[str]:
    """Everything that is wrong.

    Parameters:
        account: of the producers' operations.
        depths: what the domain says of itself.
        remains: what is left.
        repeats: attempts that may be repeated.
        but: invariants that this fault is known to break (`"I1"` after FLUSHALL).
    """
    return [wrong for wrong in _all(account, depths, remains, repeats) if wrong.partition(":")[0] not in but]


def _all(account: Account, depths: Depths, remains: Remains, repeats: int) -> Iterator[str]:
    for wrong in (
        i1_nothing_is_lost(account),
        i2_nothing_is_unexpected(account),
        i3_the_books_balance(account, depths),
        i4_repeats_are_bounded(account, repeats),
        i5_nothing_is_held(remains),
        i8_nothing_leaks(remains),
    ):
        if wrong is not None:
            yield wrong


def _wrong(name: str, what: str, which: Iterable[int | str]) -> str | None:
    named = sorted(map(str, which))
    if not named:
        return None
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return f"{name}: {what}: {', '.join(named[:SHOWN])}{more}"
