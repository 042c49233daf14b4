"""The talk between supervisor and fork server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest

from heijunka.worker.link import Died, Failed, Forked, Link, Message, Tell


@pytest.fixture
def ends() -> Iterator[tuple[Link, Link]]:
    one, other = socket.socketpair()
    with one, other:
        for end in (one, other):
            end.settimeout(20)
        yield Link(one), Link(other)


def test_messages_arrive_whole_and_in_order_however_long_they_are(ends: tuple[Link, Link]) -> None:
    here, there = ends
    said: list[Message] = [Failed("x" * 3_000_000, "hint", "t" * 70_000), Forked("w1", 7), Tell(("w1", "w2"), 15)]

    sender = threading.Thread(target=lambda: [here.send(message) for message in said])
    sender.start()
    heard = [there.receive() for _ in said]
    sender.join()

    assert said == heard


def test_the_end_of_one_side_is_heard_by_the_other_after_its_last_words(ends: tuple[Link, Link]) -> None:
    here, there = ends
    assert here.send(Died("w1", 0))
    here.close()

    assert [Died("w1", 0), None, None] == [there.receive() for _ in range(3)]
    assert not all(there.send(Died("w1", 0)) for _ in range(2))


def test_a_message_cut_off_by_a_death_is_no_message() -> None:
    one, other = socket.socketpair()
    with other:
        one.sendall(b"\0\0\0\x20half a mess")
        one.close()

        assert Link(other).receive() is None


def test_a_message_of_another_version_is_told_as_a_failure() -> None:
    one, other = socket.socketpair()
    with one, other:
        unknown = msgspec.msgpack.encode({"type": "Ponder", "about": "life"})
        one.sendall(len(unknown).to_bytes(4) + unknown)

        heard = Link(other).receive()

    assert isinstance(heard, Failed)
    assert ("restart the worker", True) == (heard.hint, "another version of Heijunka" in heard.error)
