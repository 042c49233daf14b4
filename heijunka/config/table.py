"""A settings file: its values, and the line of each.

The parser of the standard library keeps no lines. A TOML file is a sequence of statements, so the lines are
found by parsing statement after statement; only those that can concern us, and only in a file already
known to be well-formed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec

from heijunka.errors import ConfigError

Keys = tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """The part of a file that is ours.

    Attributes:
        path: of the file.
        values: by key.
        lines: by keys from the outermost to the innermost, the line where it is first mentioned, from 1.
    """

    path: str
    values: dict[str, Any]
    lines: dict[Keys, int]


def read_table(path: str, data: bytes, place: Keys) -> Table | None:
    """Read a file's table.

    Parameters:
        path: of the file, for errors.
        data: what it holds.
        place: keys that lead to the table; () is the whole file.

    Returns:
        The table, or None when the file has none there.

    Raises:
        ConfigError: the file is not TOML, or has something else in that place.
    """
    try:
        text = data.decode()
        found: Any = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for key in place:
        found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            return None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} has a value where a table belongs", hint=f"write [{'.'.join(place)}]")
    return Table(path, found, lines(text, place))


def lines(text: str, place: Keys) -> dict[Keys, int]:
    r"""Where the keys of a table are first mentioned.

    Parameters:
        text: well-formed TOML.
        place: keys that lead to the table.

    Example:
        >>> lines('[tool.heijunka]\nlease = "20s"', ("tool", "heijunka"))
        {('lease',): 2}
    """
    found: dict[Keys, int] = {}
    header: Keys = ()
    statement, start = "", 0
    rows = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(rows, 1):
        if not statement and (entered := _header(line)) is not None:
            # In tables of others, what looks like our header may stand in the middle of a string or an array.
            if _meets(entered, place) and not _meets(header, place) and _parsed("\n".join(rows[: number - 1])) is None:
                continue
            header = entered
            _note(found, header, place, number)
        elif _meets(header, place):
            start = start if statement else number
            statement += f"{line}\n"
            if (parsed := _parsed(statement)) is not None:
                statement = ""
                for keys in _paths(parsed):
                    _note(found, header + keys, place, start)
    return found


def _meets(header: Keys, place: Keys) -> bool:
    """Whether a table may hold ours, is ours, or is in ours."""
    return place[: len(header)] == header[: len(place)]


def _note(found: dict[Keys, int], keys: Keys, place: Keys, number: int) -> None:
    if keys[: len(place)] == place:
        ours = keys[len(place) :]
        for depth in range(1, len(ours) + 1):
            found.setdefault(ours[:depth], number)


def _header(line: str) -> Keys | None:
    parsed = _parsed(line) if line.lstrip().startswith("[") else None
    return next(_paths(parsed)) if parsed else None


def _parsed(statement: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return None


def _paths(table: dict[str, Any]) -> Iterator[Keys]:
    for key, value in table.items():
        inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        if isinstance(inner, dict) and inner:
            for rest in _paths(inner):
                yield (key, *rest)
        else:
            yield (key,)
