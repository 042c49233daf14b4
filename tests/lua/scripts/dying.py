"""The death of a worker, as whoever recovers it reports it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from heijunka import commands
from heijunka.clock import Milliseconds
from heijunka.commands import Entry, Recovered
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor

NOW = Milliseconds(1_700_000_000_000)


def recover(
    client: Executor,
    keys: DomainKeys,
    worker: str = "w1",
    *,
    death: Literal["seen", "lapsed"] = "seen",
    started: Iterable[Entry] = (),
    overdue: Iterable[Entry] = (),
    limit: int = 100,
    max_deliveries: int = 3,
    keep_ms: int = 60_000,
) -> Recovered:
    """Take back what `worker` held."""
    return client.execute(
        commands.recover(
            keys,
            worker,
            death=death,
            failure=b"the failure",
            max_deliveries=max_deliveries,
            keep_ms=keep_ms,
            started=[(entry.source, entry.id.decode()) for entry in started],
            overdue=[(entry.source, entry.id.decode()) for entry in overdue],
            limit=limit,
            now=NOW,
        )
    )
