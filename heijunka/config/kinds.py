"""Kinds of values: how a setting is read, which values it may have, and how it is spelled for people.

A kind reads the same from every source: `"15s"`, `15` and `timedelta(seconds=15)` are one lease. What it
shows is what it would read again, secrets apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from heijunka.clock import duration_ms
from heijunka.errors import InvalidOption

_SIZES: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([a-z]*)")
_DIGITS: Final = re.compile(r"\s*[+-]?[0-9][0-9_]{0,20}\s*")
_LONGEST_QUOTE: Final = 80


class Refused(ValueError):
    """A value is of no use; the text says why and completes "<value> …"."""


def quoted(value: object) -> str:
    """A value as errors repeat it: shortened."""
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 3]}..."


class Kind(msgspec.Struct, frozen=True):
    """How values of one kind are read and shown.

    Attributes:
        allowed: what may be written, in words.
        read: the value as the library uses it; raises `Refused`.
        show: the value as people write it, without secrets.
        quote: a value that may be wrong, as errors repeat it, without secrets.
        unit: of the value once read: "ms", "bytes" or "".
    """

    allowed: str
    read: Callable[[object], Any]
    show: Callable[[Any], str] = str
    quote: Callable[[object], str] = quoted
    unit: str = ""


def text(allowed: str, pattern: str = "") -> Kind:
    """Text without surrounding blanks.

    Parameters:
        allowed: which text, in words.
        pattern: what it must match as a whole, or "" for anything but nothing.
    """

    def read(value: object) -> str:
        stripped = text_of(value)
        if pattern and not re.fullmatch(pattern, stripped):
            raise Refused("has characters or a length it cannot have")
        return stripped

    return Kind(allowed, read)


def choice(*words: str, synonyms: Mapping[str, str] | None = None) -> Kind:
    """One of a few words, written in any case. True and False count as "true" and "false".

    Parameters:
        words: as the library uses them.
        synonyms: other ways to write them, in lower case.
    """
    spelled = {word.lower(): word for word in words} | dict(synonyms or {})

    def read(value: object) -> str:
        written = text_of(str(value) if isinstance(value, bool) else value).lower()
        if written not in spelled:
            raise Refused("is none of the possible words")
        return spelled[written]

    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", read)


def whole(least: int, most: int) -> Kind:
    """A whole number within a range, or its digits."""

    def read(value: object) -> int:
        number = int(value.strip().replace("_", "")) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
        if isinstance(number, bool) or not isinstance(number, int):
            raise Refused("is not a whole number")
        return _within(number, least, most)

    return Kind(f"a whole number from {least:,} to {most:,}", read)


def number(least: float, most: float) -> Kind:
    """A number within a range, or its digits."""

    def read(value: object) -> float:
        try:
            read = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except ValueError:
            read = math.nan
        if not least <= read <= most:
            raise Refused("is no number within its range")
        return read

    return Kind(f"a number from {least:,} to {most:,}", read, lambda value: f"{value:g}")


def size(least: str, most: str) -> Kind:
    """Bytes within a range, written as a number of them or with a unit, such as "256KiB"."""

    def read(value: object) -> int:
        return _within(_bytes(value), _bytes(least), _bytes(most))

    return Kind(f"a size from {least} to {most}", read, show=_show_bytes, unit="bytes")


def duration(least: str, most: str) -> Kind:
    """Milliseconds within a range, written as seconds, a timedelta or text such as "1h30m"."""

    def read(value: object) -> int:
        try:
            ms: int = duration_ms(value)  # type: ignore[arg-type]  # it refuses other types itself
        except InvalidOption as error:
            raise Refused("is negative" if "negative" in str(error) else "is not a duration") from error
        return _within(ms, duration_ms(least), duration_ms(most))

    return Kind(f"a duration from {least} to {most}", read, show=_show_ms, unit="ms")


def or_none(kind: Kind, *, none: object = None) -> Kind:
    """Another kind, or None, also written "none".

    Parameters:
        kind: of everything else.
        none: what the library gets for None.
    """

    def read(value: object) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
            return none
        return kind.read(value)

    def show(value: Any) -> str:
        return "none" if value == none else kind.show(value)

    return Kind(f'{kind.allowed}, or "none"', read, show, kind.quote, kind.unit)


def text_of(value: object) -> str:
    """Text without surrounding blanks.

    Raises:
        Refused: it is not text, or nothing is left of it.
    """
    if not isinstance(value, str):
        raise Refused("is not text")
    stripped = value.strip()
    if not stripped:
        raise Refused("is empty")
    return stripped


def _within(value: int, least: int, most: int) -> int:
    if value < least:
        raise Refused("is too small")
    if value > most:
        raise Refused("is too large")
    return value


def _bytes(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    written = _SIZE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if written is None or written[2] not in _SIZES:
        raise Refused("is not a size")
    number = float(written[1]) * _SIZES[written[2]]
    if number != int(number):
        raise Refused("is not a whole number of bytes")
    return int(number)


def _show_bytes(value: int) -> str:
    return _largest(value, {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1})


def _show_ms(value: int) -> str:
    return _largest(value, {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1})


def _largest(value: int, units: Mapping[str, int]) -> str:
    """In the largest unit that spells it exactly; nothing is 0 seconds, or 0 bytes."""
    for unit, worth in units.items():
        if value and value % worth == 0:
            return f"{value // worth}{unit}"
    return "0s" if "s" in units else "0B"
