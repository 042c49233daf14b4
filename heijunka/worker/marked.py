"""Who was cancelled: the jobs that are marked in Redis."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

from heijunka import commands
from heijunka.broker.command import Command
from heijunka.commands import Marks
from heijunka.keys import DomainKeys

LOOK_FOR_MARKS: Final = signal.SIGURG
"""What a worker is told when jobs of its domain were marked. One that does not listen yet ignores it."""


def marked(execute: Callable[[Command[Marks]], Marks], keys: DomainKeys) -> set[bytes]:
    """The ids of all marked jobs of a domain.

    Parameters:
        execute: carries a command out.
        keys: of the domain.
    """
    page = execute(commands.marks(keys))
    ids = set(page.ids)
    while page.more is not None:
        page = execute(commands.marks(keys, start=page.more))
        ids.update(page.ids)
    return ids
