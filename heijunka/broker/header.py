"""Read the contract at the head of a script.

A script's first comment says what it takes, what it answers and what it costs, in a form that is read
here. The tests hold the body and the Python side to it, so the comment cannot drift away from the code.
Calling a script does not need it: it is read when somebody asks. docs/lua.md teaches the form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from heijunka.broker.assembly import refuse

KEY_TYPES: Final = frozenset({"string", "list", "hash", "set", "zset", "stream", "prefix"})
"""What a key may hold; a prefix is the beginning of keys whose end the script adds."""

ARG_TYPES: Final = frozenset({"str", "int", "float", "bytes", "flag"})

FLAGS: Final = frozenset({"allow-oom", "allow-stale", "no-writes"})
"""The flags of Redis that fit us; those about Cluster would lift the rule that a script keeps to one slot."""


class Field(msgspec.Struct, frozen=True):
    """A named value of one type: one item of a repeating group."""

    name: str
    type: str


class Slot(msgspec.Struct, frozen=True):
    """One line of the contract: a key or argument, or a range of them.

    Attributes:
        name: what the body calls it.
        type: one of KEY_TYPES or ARG_TYPES; "group" or "mixed" for what repeats.
        first: its place in KEYS or ARGV, from 1.
        last: the same for a single one; the end of a range, None when that is open.
        fields: of a group, what one repetition consists of.
        variants: of a mix, the names that follow each word that may begin an item; a last one with "..." comes as
            often as the value before it says.
        place: where the contract says so.
    """

    name: str
    type: str
    first: int
    last: int | None
    place: str
    fields: tuple[Field, ...] = ()
    variants: dict[str, tuple[str, ...]] = {}


class Answer(msgspec.Struct, frozen=True):
    """One reply: the word it begins with, and the names of what follows."""

    word: str
    fields: tuple[str, ...]


class Header(msgspec.Struct, frozen=True):
    """What a script promises.

    Attributes:
        name: its file's name without `.lua`.
        summary: what it does and the invariant it keeps.
        keys: what it takes as KEYS.
        args: what it takes as ARGV.
        answers: what it replies.
        cost: of one call.
        flags: as they stand in the shebang.
    """

    name: str
    summary: str
    keys: tuple[Slot, ...]
    args: tuple[Slot, ...]
    answers: tuple[Answer, ...]
    cost: str
    flags: tuple[str, ...]

    def check(self, keys: Sequence[object], args: Sequence[object]) -> None:
        """Hold one call to the contract; see `Script.check`."""
        place = f"lua/{self.name}.lua:1"
        _check(place, "KEYS", self.keys, keys)
        _check(place, "ARGV", self.args, args)


_TITLE = re.compile(r"-- ([a-z_]+): (.+)")
_ENTRY = re.compile(r"-- (KEYS|ARGV|Returns|Cost|Flags)\b(.*)")
_CONTINUED = re.compile(r"--\s{3,}(.+)")
_SLOT = re.compile(r"\[(\d+)(?:(\.\.)(\d*))?\]\s+([a-z_]+)\s+([a-z].*)")
_GROUP = re.compile(r"([a-z_]+ [a-z]+(?:, [a-z_]+ [a-z]+)*)(?:\s{2,}.*)?")
_VARIANT = re.compile(r'("[a-z_]+"(?:, "[a-z_]+")*)((?: [a-z_]+)*(?: [a-z_]+ [a-z_]+\.{3})?)')
_ANSWER = re.compile(r'\{"([a-z_]+)"((?:, [a-z_]+)*(?:\.\.\.)?)\}')
_QUOTED = re.compile(r'"([a-z_]+)"')
REPEATED: Final = "..."
_ORDER: Final = ("KEYS", "ARGV", "Returns", "Cost", "Flags")


def parse(text: str, name: str) -> Header:
    r"""The contract at the head of a script.

    Parameters:
        text: the whole file.
        name: the file's name without `.lua`.

    Raises:
        ScriptSourceError: the header is not a contract, or not of this file.

    Example:
        >>> head = '-- pop: take the oldest.\n--\n-- KEYS[1] jobs list\n-- Returns {"job", blob}\n-- Cost O(1)\n'
        >>> [slot.name for slot in parse(head, "pop").keys]
        ['jobs']
    """
    file = f"lua/{name}.lua"
    summary, entries = _split(text, name, file)
    keys: list[Slot] = []
    args: list[Slot] = []
    single: dict[str, tuple[str, str]] = {}
    reached = 0
    for place, label, rest in entries:
        if _ORDER.index(label) < reached:
            refuse(place, f"{label} stands too late", f"the order is {', '.join(_ORDER)}")
        reached = _ORDER.index(label)
        if label == "KEYS":
            keys.append(_slot(rest, place, keys, KEY_TYPES))
        elif label == "ARGV":
            args.append(_slot(rest, place, args, ARG_TYPES))
        elif label in single:
            refuse(place, f"there are two lines of {label}", "join them")
        else:
            single[label] = (place, rest.strip())
    for label in ("Returns", "Cost"):
        if label not in single:
            refuse(f"{file}:1", f"the contract does not say {label}", "docs/lua.md shows a whole one")
    _named_once(keys + args)
    return Header(
        name=name,
        summary=summary,
        keys=tuple(keys),
        args=tuple(args),
        answers=_answers(*single["Returns"]),
        cost=_cost(*single["Cost"]),
        flags=_flags(*single["Flags"]) if "Flags" in single else (),
    )


def _split(text: str, name: str, file: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The summary, and each entry's place, label and text with its continuation lines."""
    lines = text.splitlines()
    title = _TITLE.fullmatch(lines[0]) if lines else None
    if title is None:
        refuse(f"{file}:1", "the first line is no title", f'write "-- {name}: what it does."')
    if title[1] != name:
        refuse(f"{file}:1", f"the title says {title[1]}, the file is {name}", "name one as the other")
    summary, entries = [title[2]], list[tuple[str, str, str]]()
    for number, line in enumerate(lines[1:], 2):
        place = f"{file}:{number}"
        if not line.startswith("--"):
            break
        if entry := _ENTRY.fullmatch(line):
            if not entries and summary[-1]:
                refuse(place, "nothing separates the contract from what is above it", 'put a line of "--" between')
            entries.append((place, entry[1], entry[2]))
        elif not entries:
            summary.append(line[2:].strip())
        elif more := _CONTINUED.fullmatch(line):
            at, label, rest = entries[-1]
            entries[-1] = (at, label, f"{rest}  {more[1]}")
        else:
            refuse(place, "this is no line of a contract", f"begin it with one of {', '.join(_ORDER)}, or indent it")
    return " ".join(filter(None, summary)), entries


def _slot(rest: str, place: str, before: list[Slot], types: frozenset[str]) -> Slot:
    found = _SLOT.fullmatch(rest.rstrip())
    if found is None:
        refuse(place, "this is no slot", "write its place, name, type and meaning, as in KEYS[1] workers zset by lease")
    first, ranged, end, name, said = int(found[1]), found[2], found[3], found[4], found[5]
    last = None if ranged and not end else int(end or first)
    taken = before[-1].last if before else 0
    if taken is None:
        refuse(place, f"nothing can follow the open range of {before[-1].name}", "put the open range last")
    if first != taken + 1 or (last is not None and last < first):
        refuse(place, f"slot {taken + 1} is expected here", "places go up by one, without gaps")
    if last is None and types is ARG_TYPES:
        if said.startswith("mixed "):
            return Slot(name, "mixed", first, last, place, variants=_variants(said.removeprefix("mixed "), place))
        return Slot(name, "group", first, last, place, fields=_group(said, place))
    kind = said.split()[0]
    if kind not in types:
        refuse(place, f"{name} has the unknown type {kind}", f"it is one of {', '.join(sorted(types))}")
    return Slot(name, kind, first, last, place, fields=(Field(name, kind),) if last is None else ())


def _group(said: str, place: str) -> tuple[Field, ...]:
    found = _GROUP.fullmatch(said)
    if found is None:
        refuse(place, "this is no repeating group", "write pairs of name and type: where str, job bytes")
    fields = tuple(Field(*pair.split()) for pair in found[1].split(", "))
    for field in fields:
        if field.type not in ARG_TYPES:
            refuse(place, f"{field.name} has the unknown type {field.type}", f"one of {', '.join(sorted(ARG_TYPES))}")
    return fields


def _variants(said: str, place: str) -> dict[str, tuple[str, ...]]:
    variants: dict[str, tuple[str, ...]] = {}
    for item in said.split("|"):
        found = _VARIANT.fullmatch(item.strip())
        if found is None:
            refuse(place, f"this is no item of a mix: {item.strip()}", 'write a word, then names: "ack" source entry')
        for word in _QUOTED.findall(found[1]):
            if word in variants:
                refuse(place, f'two items begin with "{word}"', "the word tells items apart")
            variants[word] = tuple(found[2].split())
    return variants


def _answers(place: str, said: str) -> tuple[Answer, ...]:
    answers: list[Answer] = []
    for item in said.split("|"):
        found = _ANSWER.fullmatch(item.strip())
        if found is None:
            refuse(place, f"this is no reply: {item.strip()}", 'write a word, then names: {"jobs", entries...}')
        answers.append(Answer(found[1], tuple(found[2].split(", ")[1:])))
    return tuple(answers)


def _cost(place: str, said: str) -> str:
    if not said.startswith("O("):
        refuse(place, "the cost is not given", "write O(...) in terms of the arguments")
    return said


def _flags(place: str, said: str) -> tuple[str, ...]:
    flags = tuple(re.split(r",\s*", said))
    if unknown := [flag for flag in flags if flag not in FLAGS]:
        refuse(place, f"there is no flag {unknown[0]!r} here", f"{', '.join(sorted(FLAGS))}, with commas between")
    if len(set(flags)) < len(flags):
        refuse(place, "a flag stands twice", "leave one out")
    return flags


def _named_once(slots: list[Slot]) -> None:
    seen: dict[str, str] = {}
    for slot in slots:
        if slot.name in seen:
            refuse(slot.place, f"{slot.name} is the name of two slots", f"the other is at {seen[slot.name]}")
        seen[slot.name] = slot.place


def _check(place: str, label: str, slots: tuple[Slot, ...], given: Sequence[object]) -> None:
    expected: list[Field] = []
    for slot in slots:
        if slot.last is not None:
            expected += [Field(slot.name, slot.type)] * (slot.last - slot.first + 1)
        while slot.last is None and len(expected) < len(given):
            expected += _item(slot, given[len(expected) :])
    if len(expected) != len(given):
        names = ", ".join(dict.fromkeys(field.name for field in expected))
        refuse(place, f"{label} are {len(expected)} here, not {len(given)}", f"they are {names or 'none'}")
    for index, (field, value) in enumerate(zip(expected, given, strict=True), 1):
        if field.type in _FITS and not _FITS[field.type](value):
            refuse(place, f"{label}[{index}], {field.name}, is no {field.type}: {value!r}", "the contract has its type")


def _item(slot: Slot, given: Sequence[object]) -> tuple[Field, ...]:
    """What the item of an open range consists of that `given` begins with."""
    if slot.fields:
        return slot.fields
    word = _text(given[0])
    if word not in slot.variants:
        refuse(slot.place, f"{given[0]!r} begins no item of {slot.name}", f"one of {', '.join(slot.variants)} does")
    names = list(slot.variants[word])
    if names and names[-1].endswith(REPEATED):
        count = _text(given[len(names) - 1]) if len(given) >= len(names) else ""
        if not count.isdecimal():
            refuse(slot.place, f"{word} is told no number of {names[-1]}", "it stands before them")
        names[-1:] = [names[-1].removesuffix(REPEATED)] * int(count)
    return (Field(word, "str"), *(Field(name, "any") for name in names))


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_FITS: Final[dict[str, Callable[[object], bool]]] = {
    **dict.fromkeys(KEY_TYPES, lambda value: isinstance(value, str | bytes)),
    "str": lambda value: isinstance(value, str | bytes),
    "bytes": lambda value: isinstance(value, bytes),
    "int": lambda value: re.fullmatch(r"-?\d+", _text(value)) is not None,
    "float": lambda value: isinstance(value, int | float),
    "flag": lambda value: value in (0, 1),
}
"""How the types look in Python. "any" is a word of its own: the items of a mix name no types."""
