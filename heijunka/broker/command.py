"""A command is a value: which script, which keys, which arguments, and how to read its reply.

Building one does no I/O, so the sync and the async client share every command, and a test may look at
what would be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

R = TypeVar("R")
Argument = bytes | str | int | float
Reply = list[Any]


class Command(msgspec.Struct, Generic[R], frozen=True, gc=False):
    """One call of one script.

    Attributes:
        script: the script's name, `lua/<script>.lua`.
        keys: what it gets as KEYS; for a numbered command those after the session's.
        args: what it gets as ARGV; for a numbered command those after the number.
        read: turns Redis's reply into the typed reply.
        sessions: the prefix of the callers' session keys when the call is numbered, else None. A
            numbered call may be sent again after a lost reply: the script answers it from its memory.
        repeatable: whether it may be sent again although it may have been done already. True for
            numbered calls and for those whose second run changes nothing.
    """

    script: str
    keys: Sequence[str]
    args: Sequence[Argument]
    read: Callable[[Reply], R]
    sessions: str | None = None
    repeatable: bool = True
