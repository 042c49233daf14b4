"""What the body of a script or include is held to, beyond what a parser or luacheck can know.

Each rule yields what is wrong as `lua/file.lua:line: what`. docs/lua.md tells the rules to who writes a script.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from heijunka.broker.header import Header, Slot, parse

SCRIPT_LINES = 60
INCLUDE_LINES = 40

BANNED_COMMANDS = {
    **dict.fromkeys(("KEYS", "SCAN", "HSCAN", "SSCAN", "ZSCAN"), "its time is not bounded by an argument"),
    **dict.fromkeys(("XCLAIM", "XAUTOCLAIM"), "an entry belongs to one worker for its whole life"),
    "TIME": "the clock is read once, by include/clock",
}
BANNED_NAMES = {
    "cjson": "what users send is not decoded here, and numbers would not survive it",
    "cmsgpack": "what users send is not decoded here",
}
EXEMPT = {"lua/include/clock.lua": {"TIME"}}
WRAPPERS = {"tonumber", "clock"}

_TOKEN = re.compile(
    r"""--[^\n]*|(?P<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<mark>\.\.\.|\.\.|[=~<>]=|[^\s\w])"""
)


class Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    line: int
    column: int


class Source(msgspec.Struct, frozen=True):
    """One file: where it is, its comment at the head, and its code in tokens."""

    file: str
    head: str
    tokens: list[Token]

    def at(self, line: int) -> str:
        return f"{self.file}:{line}"

    def strings(self) -> set[str]:
        return {token.text[1:-1] for token in self.tokens if token.kind == "string"}

    def defined(self) -> dict[str, int]:
        """The names of its top level and their lines; StyLua indents everything deeper."""
        names: dict[str, int] = {}
        for index, token in enumerate(self.tokens):
            if token.text == "local" and token.column == 0:
                at = index + 1 + (self.tokens[index + 1].text == "function")
                names[self.tokens[at].text] = token.line
                while self.tokens[at + 1].text == ",":
                    at += 2
                    names[self.tokens[at].text] = token.line
        return names


def source(text: str, file: str) -> Source:
    tokens = [
        Token(found.lastgroup, found[0], number, found.start())
        for number, line in enumerate(text.splitlines(), 1)
        for found in _TOKEN.finditer(line)
        if found.lastgroup
    ]
    head = re.match(r"(?:--[^\n]*\n)*", text)
    return Source(file, head[0] if head else "", tokens)


def broken_by_script(text: str, name: str, includes: Mapping[str, str]) -> list[str]:
    """What is wrong with a script, given the texts of the includes it pastes."""
    header = parse(text, name)
    body = source(text, f"lua/{name}.lua")
    pasted = [source(pasted, f"lua/include/{include}.lua") for include, pasted in includes.items()]
    return [
        *_slots(header, body),
        *_mixes(header, [body, *pasted]),
        *_answers(header, body, pasted),
        *_size(body, SCRIPT_LINES),
        *_banned(body),
        *_shadows([*pasted, body]),
        *(wrong for include in pasted for wrong in _undocumented(include, [*pasted, body])),
    ]


def broken_by_include(text: str, name: str) -> list[str]:
    """What is wrong with an include, wherever it is pasted."""
    body = source(text, f"lua/include/{name}.lua")
    literal = [
        body.at(token.line)
        for token, bracket, index in zip(body.tokens, body.tokens[1:], body.tokens[2:], strict=False)
        if token.text in {"KEYS", "ARGV"} and bracket.text == "[" and index.kind == "number"
    ]
    return [
        *(f"{place}: an include knows no places in KEYS and ARGV: they are given to it" for place in literal),
        *([] if body.head else [f"{body.at(1)}: a comment that says what the include defines is missing"]),
        *_size(body, INCLUDE_LINES),
        *_banned(body),
    ]


def untested_words(header: Header, test: Path) -> list[str]:
    """The reply words that no test of the script mentions in quotes."""
    text = test.read_text(encoding="utf-8") if test.exists() else ""
    return [answer.word for answer in header.answers if not re.search(rf"""["'`]{answer.word}["'`]""", text)]


# -- slots ---------------------------------------------------------------------------------------


class Naming(msgspec.Struct, frozen=True):
    """A slot gets a name in the body."""

    label: str
    first: int
    last: int
    name: str
    line: int
    field: bool = False


def _slots(header: Header, body: Source) -> Iterator[str]:
    namings, rest = _namings(body.tokens)
    declared = [("KEYS", slot) for slot in header.keys] + [("ARGV", slot) for slot in header.args]
    for label, slot in declared:
        if slot.last is None:
            yield from _open_range(label, slot, body, rest)
        else:
            yield from _named(label, slot, body, namings)
    for naming in namings:
        if not any(label == naming.label and _same(slot, naming) for label, slot in declared):
            yield f"{body.at(naming.line)}: {naming.label}[{_range(naming)}] is no slot of the contract"
    repeating = {label for label, slot in declared if slot.last is None}
    for index, token in enumerate(rest):
        if token.text in {"KEYS", "ARGV"} and token.kind == "name":
            numbered = [after.kind for after in rest[index + 1 : index + 3]] == ["mark", "number"]
            if numbered and rest[index + 1].text == "[" and rest[index + 3].text == "]":
                yield f"{body.at(token.line)}: {token.text}[{rest[index + 2].text}] is indexed, not named at the top"
            elif token.text not in repeating:
                yield f"{body.at(token.line)}: {token.text} is used below its names, and nothing in it repeats"


def _named(label: str, slot: Slot, body: Source, namings: list[Naming]) -> Iterator[str]:
    mine = [naming for naming in namings if naming.label == label and _same(slot, naming)]
    if not mine:
        yield f"{slot.place}: {label}[{_range(slot)}], {slot.name}, is not named at the top"
    for naming in mine[1:]:
        yield f"{body.at(naming.line)}: {label}[{_range(slot)}] is named twice"
    for naming in mine:
        if naming.name not in ({slot.name, slot.name[0]} if naming.field else {slot.name}):
            yield f"{body.at(naming.line)}: {label}[{_range(slot)}] is {slot.name} by contract and {naming.name} here"


def _open_range(label: str, slot: Slot, body: Source, rest: list[Token]) -> Iterator[str]:
    texts = [token.text for token in rest]
    if str(slot.first) not in texts:
        yield f"{slot.place}: {label}[{slot.first}..], {slot.name}, is not walked from {slot.first} on"
    for index, text in enumerate(texts):
        if text == "#" and texts[index + 1 : index + 2] == [label] and texts[index - 3 : index - 2] == ["="]:
            size = texts[index + 3] if texts[index + 2] == "," else "1"
            if texts[index - 2] != str(slot.first) or (slot.fields and size != str(len(slot.fields))):
                walk = f"from {slot.first} on by {len(slot.fields)}"
                yield f"{body.at(rest[index].line)}: {slot.name} go {walk} by contract, not here"


def _same(slot: Slot, naming: Naming) -> bool:
    return (slot.first, slot.last) == (naming.first, naming.last)


def _range(of: Slot | Naming) -> str:
    return str(of.first) if of.first == of.last else f"{of.first}..{of.last or ''}"


def _namings(tokens: list[Token]) -> tuple[list[Naming], list[Token]]:
    """The names that the statements at the top give to slots, and the tokens after these statements."""
    namings: list[Naming] = []
    text = " ".join(token.text for token in tokens)
    starts = {}
    offset = 0
    for index, token in enumerate(tokens):
        starts[offset] = index
        offset += len(token.text) + 1
    at = 0
    while statement := _STATEMENT.match(text, at):
        line, after = tokens[starts[at]].line, starts.get(statement.end())
        if after and tokens[after].line == tokens[after - 1].line:
            break  # the value goes on
        names = statement["names"].split(" , ")
        for name, value in zip(names, _VALUE.finditer(statement["values"]), strict=False):
            if value["label"]:
                first = int(value["place"])
                namings.append(Naming(value["label"], first, first, name, line))
            elif value["range"]:
                namings.append(Naming(value["range"], int(value["first"]), int(value["last"]), name, line))
            for field in _FIELD.finditer(value["fields"] or ""):
                first = int(field["place"])
                namings.append(Naming(field["label"], first, first, field["name"], line, field=True))
        at = statement.end()
    return namings, tokens[starts[at] :] if at in starts else []


_SLOT = r"(?:KEYS|ARGV) \[ \d+ \]"
_NAMED = rf"{_SLOT}(?: == '[^']*')?|(?:{'|'.join(sorted(WRAPPERS))}) \( {_SLOT} \)"
_UNPACKED = r"\{ unpack \( (?:KEYS|ARGV) , \d+ , \d+ \) \}"
_FIELDS = rf"\{{ \w+ = {_SLOT}(?: , \w+ = {_SLOT})* \}}"
_ANY = f"(?:{_NAMED}|{_UNPACKED}|{_FIELDS})"
_STATEMENT = re.compile(rf"local (?P<names>\w+(?: , \w+)*) = (?P<values>{_ANY}(?: , {_ANY})*)(?: |$)")
_VALUE = re.compile(
    r"\{ unpack \( (?P<range>KEYS|ARGV) , (?P<first>\d+) , (?P<last>\d+) \) \}"
    r"|\{ (?P<fields>\w+ = [^}]*) \}|(?P<label>KEYS|ARGV) \[ (?P<place>\d+) \]"
)
_FIELD = re.compile(r"(?P<name>\w+) = (?P<label>KEYS|ARGV) \[ (?P<place>\d+) \]")


# -- replies, mixes, and what no script may do ---------------------------------------------------


def _answers(header: Header, body: Source, pasted: list[Source]) -> Iterator[str]:
    words = {answer.word for answer in header.answers}
    said = body.strings().union(*(include.strings() for include in pasted))
    for word in sorted(words - said):
        yield f'{body.at(1)}: the reply "{word}" is in the contract and not in the code'
    for token in _returned(body.tokens):
        if token.text[1:-1] not in words:
            yield f"{body.at(token.line)}: the reply {token.text} is not in the contract"


def _returned(tokens: list[Token]) -> Iterator[Token]:
    """The strings with which a table begins that stands in a return statement."""
    inside = False
    for token, after in itertools.pairwise(tokens):
        if token.text in {"return", "end", "else", "elseif"}:
            inside = token.text == "return"
        if inside and token.text == "{" and after.kind == "string":
            yield after


def _mixes(header: Header, sources: list[Source]) -> Iterator[str]:
    """Where the code says `word = count`, the count is that of the contract; every word is in the code."""
    for slot in header.args:
        for word, names in slot.variants.items():
            known = False
            for body in sources:
                for token, equals, count in zip(body.tokens, body.tokens[1:], body.tokens[2:], strict=False):
                    known = known or word in {token.text, token.text[1:-1]}
                    counted = token.text == word and equals.text == "=" and count.kind == "number"
                    if counted and int(count.text) != len(names) + 1:
                        expected = f"{len(names) + 1} values by contract"
                        yield f"{body.at(token.line)}: {word} takes {expected} and {count.text} here"
            if not known:
                yield f'{slot.place}: "{word}" is in the contract and not in the code'


def _size(body: Source, most: int) -> Iterator[str]:
    lines = len({token.line for token in body.tokens})
    if lines > most:
        yield f"{body.at(1)}: {lines} lines of code, {most} at most: make an include of a part, or a script of its own"


def _banned(body: Source) -> Iterator[str]:
    """Commands are looked for in all strings, because an include may be given one to call."""
    exempt = EXEMPT.get(body.file, set())
    for index, token in enumerate(body.tokens):
        word, why = token.text, None
        if token.kind == "name":
            why = BANNED_NAMES.get(word)
        elif token.kind == "string":
            called = index > 1 and body.tokens[index - 2].text in {"call", "pcall"}
            word = word[1:-1].upper() if called else word[1:-1]
            why = BANNED_COMMANDS.get(word) if word not in exempt else None
        if why:
            yield f"{body.at(token.line)}: {word} is not for scripts: {why}"


def _shadows(sources: list[Source]) -> Iterator[str]:
    """All that is pasted shares one scope, where a second definition silently replaces the first."""
    seen: dict[str, str] = {}
    for body in sources:
        for name, line in body.defined().items():
            if name in seen:
                yield f"{body.at(line)}: {name} is defined in {seen[name]} too"
            seen.setdefault(name, body.file)


def _undocumented(include: Source, sources: list[Source]) -> Iterator[str]:
    for name, line in include.defined().items():
        users = [body.file for body in sources if body is not include and _mentions(body, name)]
        if users and not re.search(rf"\b{name}\b", include.head):
            yield f"{include.at(line)}: {users[0]} uses {name}, but the comment at the head does not say what it is"


def _mentions(body: Source, name: str) -> bool:
    """Whether a name is used as such: not as a field, nor as a name of its own."""
    for before, token in zip([None, *body.tokens], body.tokens, strict=False):
        if token.kind == "name" and token.text == name and (before is None or before.text not in {".", "function"}):
            return True
    return False
