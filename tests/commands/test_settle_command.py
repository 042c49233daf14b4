"""settle, as it is sent: what many jobs have in common is said once."""

from __future__ import annotations

from heijunka import commands
from heijunka.commands import Entry
from heijunka.keys import DomainKeys
from tests.fixtures.samples import sample
from tests.lua.scripts.outcomes import NOW, done


def test_acks_of_one_source_are_sent_as_one() -> None:
    keys = DomainKeys("n", "payment")
    acks = [commands.ack(Entry(source, entry, b"", "n")) for source, entry in [(5, b"1-0"), (5, b"2-0"), (3, b"1-0")]]

    command = commands.settle(keys, [*acks, done(Entry(5, b"3-0", sample(), "n"), keep_ms=0), acks[0]], now=NOW)

    sent = list(command.args)
    assert [NOW, "acks", 5, 2, b"1-0", b"2-0", "acks", 3, 1, b"1-0", "done", 5, b"3-0"] == sent[:13]
    assert ["acks", 5, 1, b"1-0"] == sent[-4:]
