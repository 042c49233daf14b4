"""A job on its way to Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heijunka import wire

BATCH: Final = 1_000
"""Jobs of one call at most."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One encoded call, as middleware around enqueue sees it.

    Attributes:
        job_id: 16 bytes.
        task: the task's name.
        domain: whose queue it goes to.
        where: its place there, as `commands.enqueue.where` spells it.
        blob: the job as it is stored.

    Example:
        >>> @app.around_enqueue
        ... @contextlib.contextmanager
        ... def counted(jobs):
        ...     yield
        ...     print(f"{len(jobs)} to {jobs[0].domain}, {sum(len(job.blob) for job in jobs)} bytes")
    """

    job_id: bytes
    task: str
    domain: str
    where: str
    blob: bytes

    @property
    def id(self) -> str:
        """The job's id."""
        return wire.id_text(self.job_id)


def flat(outgoing: Sequence[Outgoing]) -> list[str | bytes]:
    """Jobs as `commands.enqueue` takes them."""
    words: list[str | bytes] = []
    for one in outgoing:
        words += (one.where, one.blob)
    return words
