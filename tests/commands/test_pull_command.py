"""pull, as its reply is read: whoever may write to a stream cannot end a worker with what it writes."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.commands import Entry, Pulled
from heijunka.keys import SUSPECTS, DomainKeys

NORMAL = 5


@pytest.mark.parametrize(
    ("source", "fields", "expected"),
    [
        (NORMAL, [b"j", b"job"], Entry(NORMAL, b"1-0", b"job", "n")),
        (SUSPECTS, [b"j", b"job", b"d", b"2", b"p", b"h"], Entry(SUSPECTS, b"1-0", b"job", "h", 2)),
        (NORMAL, [b"j", b"job", b"d", b"many", b"p", b"?"], Entry(NORMAL, b"1-0", b"job", "n")),
        (NORMAL, [b"j", b"job", b"d", b"9" * 5_000, b"p", b"\xff"], Entry(NORMAL, b"1-0", b"job", "n")),
        (NORMAL, [b"j", b"job", b"d", "²".encode(), b"o", b""], Entry(NORMAL, b"1-0", b"job", "n", overdue=True)),
        (NORMAL, [b"x", b"1", b"y", b"2"], Entry(NORMAL, b"1-0", b"", "n")),
        (NORMAL, [b"x", b"1"], Entry(NORMAL, b"1-0", b"1", "n")),
        (SUSPECTS, [b"j", b"job"], Entry(SUSPECTS, b"1-0", b"job", "n")),
    ],
    ids=["a job", "a suspect", "words", "too long", "no digits", "no job", "one field", "a suspect of no priority"],
)
def test_an_entry_is_read_whatever_is_in_it(source: int, fields: list[bytes], expected: Entry) -> None:
    read = commands.pull(DomainKeys("n", "payment"), "w", 1, alone=True).read

    assert Pulled([expected]) == read([b"jobs", source, [[b"1-0", fields]]])
