"""Load the scripts of lua/.

A script is read and assembled when it is first used, once per process; its contract only when somebody
asks for it. The sha is computed here, so that a call names it without asking Redis first; only a server
that does not know it is sent the source.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

import heijunka
from heijunka.broker.assembly import assemble
from heijunka.errors import ScriptSourceError

if TYPE_CHECKING:
    from heijunka.broker.header import Header, Slot

# Patterns of errors, compiled when one comes.
_LINE: Final = r"@?user_script:(\d+): ?"
_CALLED_AT: Final = r" ?script: (?:[0-9a-f]{40}, )?on @user_script:(\d+)\.?$"
_OPENED_AT: Final = r"\bat line (\d+)\)"


class Script(msgspec.Struct, frozen=True, dict=True):
    """One atomic operation: as Redis gets it, and its contract.

    Attributes:
        name: `lua/<name>.lua`.
        text: that file.
        source: what SCRIPT LOAD is sent; begins with `#!lua`.
        sha: what SCRIPT LOAD answers: the SHA-1 of the source in hex.
        flags: those of the shebang.
        includes: names of the includes in it.
        places: where each line of the source came from; the shebang from the contract.
    """

    name: str
    text: str
    source: str
    sha: str
    flags: tuple[str, ...]
    includes: tuple[str, ...]
    places: tuple[str, ...]

    @functools.cached_property
    def contract(self) -> Header:
        """What the script promises.

        Raises:
            ScriptSourceError: its file does not begin with a contract.
        """
        from heijunka.broker.header import parse

        return parse(self.text, self.name)

    @property
    def keys(self) -> tuple[Slot, ...]:
        """What it takes as KEYS."""
        return self.contract.keys

    @property
    def args(self) -> tuple[Slot, ...]:
        """What it takes as ARGV."""
        return self.contract.args

    @property
    def cost(self) -> str:
        """What one call costs."""
        return self.contract.cost

    @property
    def words(self) -> tuple[str, ...]:
        """The words its replies begin with."""
        return tuple(answer.word for answer in self.contract.answers)

    @property
    def bare_source(self) -> str:
        """The source for servers that do not know shebangs (fakeredis); its lines have the same numbers."""
        return self.source[self.source.index("\n") :]

    def place(self, line: int) -> str:
        """Where a line of the source came from.

        Parameters:
            line: counted from 1; one past the end (where a compiler misses something) is the last.

        Example:
            >>> load("renew").place(1)
            'lua/renew.lua:1'
        """
        return self.places[max(0, min(line, len(self.places)) - 1)]

    def failed_at(self, error: str) -> str | None:
        """The place in lua/ that an error of Redis is about, None when it is about none."""
        found = re.search(_CALLED_AT, error) or re.search(_LINE, error)
        return self.place(int(found[1])) if found else None

    def explain(self, error: str) -> str:
        """An error of Redis, told in places of lua/.

        Parameters:
            error: what Redis 7.0 or later, or Valkey, answered to this script.

        Returns:
            `lua/file.lua:line: what is wrong`, or the error as it is when it is about no line.

        Example:
            >>> load("renew").explain("WRONGTYPE Operation against a key ... script: on @user_script:1.")
            'lua/renew.lua:1: WRONGTYPE Operation against a key ...'
        """
        at = self.failed_at(error)
        if at is None:
            return error
        what = re.sub(_CALLED_AT, "", error)
        if found := re.search(_LINE, what):  # what stands before says only that a script failed
            what = re.sub(_OPENED_AT, lambda opened: f"at {self.place(int(opened[1]))})", what[found.end() :])
        return f"{at}: {what}"

    def check(self, keys: Sequence[object], args: Sequence[object]) -> None:
        """Hold one call to the contract.

        Parameters:
            keys: all of KEYS, the session's included.
            args: all of ARGV, the call's number included.

        Raises:
            ScriptSourceError: they are fewer, more or of other types than the contract says.
        """
        self.contract.check(keys, args)


@functools.cache
def load(name: str) -> Script:
    """The script `lua/<name>.lua`; the same object every time.

    Raises:
        ScriptSourceError: there is none, or it cannot be put together.

    Example:
        >>> load("renew").flags
        ('allow-oom',)
    """
    return read(name, folder())


def names() -> tuple[str, ...]:
    """The names of all scripts, in order."""
    return tuple(sorted(path.stem for path in folder().glob("*.lua")))


def read(name: str, within: Path) -> Script:
    """A script of another folder that is laid out like lua/.

    Raises:
        ScriptSourceError: there is none, or it cannot be put together.
    """
    text = _text_of(within / f"{name}.lua")
    if text is None:
        place = f"lua/{name}.lua"
        raise ScriptSourceError(f"there is no {place}", hint=f"scripts are read from {within}", place=place)
    assembly = assemble(text, name, lambda include: _text_of(within / "include" / f"{include}.lua"))
    return Script(
        name=name,
        text=text,
        source=assembly.source,
        sha=hashlib.sha1(assembly.source.encode(), usedforsecurity=False).hexdigest(),
        flags=assembly.flags,
        includes=assembly.includes,
        places=assembly.places,
    )


@functools.cache
def folder() -> Path:
    """Where the scripts are: in the installed package, else beside it, as in a checkout.

    Raises:
        ScriptSourceError: they are in neither.
    """
    package = Path(heijunka.__file__).parent
    for place in (package / "lua", package.parent / "lua"):
        if place.is_dir():
            return place
    raise ScriptSourceError(
        f"the scripts are missing: there is no lua/ in {package} nor beside it",
        hint="install heijunka again",
        place="lua/",
    )


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
