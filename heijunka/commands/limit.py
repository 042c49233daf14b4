"""Change what bounds a domain. Reading it is `depths`, which tells the load in the same step."""

from __future__ import annotations

from collections.abc import Mapping

from heijunka.broker.command import Argument, Command, Reply
from heijunka.keys import DomainKeys


def limit(keys: DomainKeys, version: int, fields: Mapping[str, str]) -> Command[bool]:
    """Change some fields; reads as False when somebody else changed any since `version`.

    Parameters:
        keys: of the domain.
        version: of what the caller saw, 0 for nothing.
        fields: values by name; an empty one takes the field out.
    """
    args: list[Argument] = [version]
    for name, value in fields.items():
        args += (name, value)
    return Command("limit", keys=(keys.limits, keys.room), args=args, read=_read)


def _read(reply: Reply) -> bool:
    return bool(reply[0] == b"changed")
