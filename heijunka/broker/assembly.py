"""Put a script together from its file and its includes.

What is sent to Redis begins with a shebang and has no comments and no blank lines: every server keeps it
in memory for as long as it runs. Each line remembers where it came from, so that an error still points
into lua/.

Lines are told apart by how they begin, therefore Lua's long brackets and strings that go on over a line's
end are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NoReturn

import msgspec

from heijunka.errors import ScriptSourceError


class Assembly(msgspec.Struct, frozen=True):
    """A script in one piece.

    Attributes:
        source: what is left of the files, after a shebang with the flags of the contract.
        flags: these flags.
        places: where each line of the source came from, `lua/file.lua:line`.
        includes: names of what was pasted, in that order.
    """

    source: str
    flags: tuple[str, ...]
    places: tuple[str, ...]
    includes: tuple[str, ...]


Find = Callable[[str], str | None]
"""Answers an include's text by its name, None when there is no such include."""

FLAGS: Final = "-- Flags "
"""What the contract's line of flags begins with."""


def assemble(text: str, name: str, find: Find) -> Assembly:
    r"""Paste the includes of a script where it names them, each once.

    A function costs its definition at every call of the script, about 0.13 µs each, so an include that only a branch or
    the code after an early return needs may stand there. What is pasted in a block is unknown outside it.

    Parameters:
        text: the script's file.
        name: the file's name without `.lua`.
        find: answers an include's text by its name, None when there is none.

    Raises:
        ScriptSourceError: an include is missing or includes itself, or a line is more than a line.

    Example:
        >>> assemble("-- @include one\nreturn one\n", "f", {"one": "local one = 1"}.get).source
        '#!lua\nlocal one = 1\nreturn one\n'
    """
    file = f"lua/{name}.lua"
    flags, declared = _flags(text)
    work = _Work(find)
    work.add(f"#!lua flags={','.join(flags)}" if flags else "#!lua", f"{file}:{declared}")
    work.paste(text, file, (name,))
    return Assembly("\n".join((*work.lines, "")), flags, tuple(work.places), tuple(work.pasted))


def refuse(place: str, what: str, hint: str) -> NoReturn:
    """Raise the error of a source that breaks a rule at `place` (`lua/file.lua:line`)."""
    raise ScriptSourceError(f"{place}: {what}", hint=hint, place=place)


def _flags(text: str) -> tuple[tuple[str, ...], int]:
    """The flags in the comment a file begins with, and the number of their line."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(FLAGS):
            return tuple(flag.strip() for flag in line.removeprefix(FLAGS).split(",")), number
        if not line.startswith("--"):
            break
    return (), 1


class _Work:
    def __init__(self, find: Find) -> None:
        self.find = find
        self.lines: list[str] = []
        self.places: list[str] = []
        self.pasted: dict[str, None] = {}

    def add(self, line: str, place: str) -> None:
        """Add one line that came from `place`."""
        self.lines.append(line)
        self.places.append(place)

    def paste(self, text: str, file: str, chain: tuple[str, ...]) -> None:
        """Add a file's lines; `chain` names the files that led to it, itself last."""
        for number, line in enumerate(text.splitlines(), 1):
            place, bare = f"{file}:{number}", line.strip()
            if bare.startswith("--"):
                if "@include" in bare:
                    self._include(bare, place, chain)
                elif bare.startswith("--["):
                    refuse(place, "a comment may not go on over several lines", "begin each line with --")
            elif bare:
                _one_line(line, place)
                self.add(line.rstrip(), place)

    def _include(self, directive: str, place: str, chain: tuple[str, ...]) -> None:
        found = re.fullmatch(r"-- @include ([a-z_]+)", directive)
        if found is None:
            refuse(place, f"this is no include: {directive}", 'write "-- @include name"')
        name = found[1]
        if name in chain[1:]:
            refuse(place, f"{name} includes itself: {' → '.join((*chain, name))}", "take one of them out")
        if name in self.pasted:
            return
        text = self.find(name)
        if text is None:
            refuse(place, f"there is no include {name}", f"put it into lua/include/{name}.lua")
        self.paste(text, f"lua/include/{name}.lua", (*chain, name))
        self.pasted[name] = None


def _one_line(line: str, place: str) -> None:
    if "[" in line and re.search(r"\[=*\[", line):
        refuse(place, "long brackets may go on over several lines", "use quotes, and -- in front of each comment line")
    if line.endswith("\\"):
        refuse(place, "the string goes on over the line's end", "join strings with ..")
