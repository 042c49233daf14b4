"""Numbered calls sent by hand: the same number again, or one that was overtaken."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from heijunka.broker.command import Command
from heijunka.keys import DomainKeys

R = TypeVar("R")

CALLER = "caller"


def copy_of(command: Command[R], keys: DomainKeys, *, number: int, caller: str = CALLER) -> Command[R]:
    """`command` as `caller` sends it with a number; executed twice, it is a repeated call."""
    return msgspec.structs.replace(
        command,
        keys=(keys.sessions + caller, *command.keys),
        args=(number, *command.args),
        sessions=None,
    )
