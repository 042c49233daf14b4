"""What a call ends in, whatever came of its tries. No Redis: the conversation is told what it met."""

from __future__ import annotations

from typing import Any

import pytest
from redis import exceptions as driver

from heijunka import commands
from heijunka.broker import scripts
from heijunka.broker.conversation import RECONNECT, Patience, Session, talk
from heijunka.broker.faults import unsent
from heijunka.commands import Accepted
from heijunka.errors import HeijunkaError, RedisFull, RedisReadOnly, RedisUnreachable, Unconfirmed
from heijunka.keys import DomainKeys

KEYS = DomainKeys("shop", "payment")
LOST = driver.ConnectionError("Connection reset by peer")
FULL = driver.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
AWAY = unsent(driver.ConnectionError("Error 111 connecting"))
DONE = [b"accepted", 1_700_000_000_000]


def told(*answers: Any, seconds: float | None = None) -> tuple[object, list[Any]]:
    """What a numbered call comes to when its tries meet `answers`, and what it sent or did instead."""
    steps = talk(commands.enqueue(KEYS, ["n", b"job"]), Session(), Patience(seconds), "redis://here")
    waiting = list(answers)
    done: list[Any] = []
    answer: Any = None
    try:
        while True:
            action = steps.send(answer)
            answer = waiting.pop(0) if isinstance(action, bytes) else None
            if not isinstance(action, float):
                done.append(action)
    except StopIteration as end:
        return end.value, done
    except HeijunkaError as error:
        return error, done


def test_a_lost_reply_is_asked_for_again_with_the_same_bytes() -> None:
    end, sent = told(LOST, AWAY, DONE)

    assert Accepted(1_700_000_000_000) == end
    assert 3 == len(sent)
    assert 1 == len(set(map(str, sent)))


def test_an_emptied_script_cache_is_filled_and_the_call_repeated() -> None:
    end, sent = told(driver.NoScriptError("No matching script"), b"sha", DONE)

    assert Accepted(1_700_000_000_000) == end
    assert scripts.load("enqueue").source.encode() in bytes(sent[1])
    assert sent[0] == sent[2]


def test_a_server_that_became_a_replica_is_left() -> None:
    end, done = told(driver.ReadOnlyError("You can't write against a read only replica."), DONE)

    assert Accepted(1_700_000_000_000) == end
    assert RECONNECT is done[1]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((FULL,), RedisFull),
        ((AWAY,), RedisUnreachable),
        ((driver.ReadOnlyError("You can't write"),), RedisReadOnly),
        ((LOST,), Unconfirmed),
    ],
)
def test_a_call_that_ends_badly_is_told_as_what_it_met(answers: tuple[Exception, ...], kind: type[Exception]) -> None:
    assert kind is type(told(*answers, seconds=0)[0])


def test_after_a_lost_reply_a_refusal_does_not_say_that_nothing_was_written() -> None:
    end, _ = told(LOST, FULL)

    assert isinstance(end, Unconfirmed)
    assert "maxmemory" in str(end)
