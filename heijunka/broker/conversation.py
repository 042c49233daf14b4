"""The conversation one command has with Redis, without I/O.

A generator says what to do next (send these bytes, pause this long, reconnect) and is told what came
of it; the sync and the async client only differ in how they do it. Here lives what must not be written
twice: numbering, loading scripts, and repeating what is safe to repeat.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import hiredis

from heijunka.broker import scripts
from heijunka.broker.command import Argument, Command
from heijunka.broker.faults import Again, Unsent, again, broken, unconfirmed, wrapped

R = TypeVar("R")

FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 1.0
_NUMBERS = frozenset({int, float})

LOADS = 3
"""How often a script is loaded for one call whatever its patience: somebody may empty the cache in between."""


class Reconnect:
    """Drop the connection before the next send."""


RECONNECT = Reconnect()
Action = bytes | float | Reconnect
Talk = Generator[Action, Any, R]


class Session:
    """Numbers the calls of one caller.

    At most one call of a session is under way at a time. When the outcome of a call stays unknown the
    session is given up for a new one, so that no later call can be mistaken for it.
    """

    __slots__ = ("id", "number")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Become a caller nobody has heard of."""
        self.id = os.urandom(8).hex()
        self.number = itertools.count(1).__next__


class Patience:
    """How long a call may go on being repeated.

    Parameters:
        seconds: in all; None for ever.
        told: told of every failed try that is going to be repeated, so that a long wait is not a silent one.
        breaks: how often in a row the connection may break under a call that was sent; None for ever. What Redis
            refuses to read it answers by hanging up, each time.
    """

    __slots__ = ("_until", "breaks", "told")

    def __init__(
        self,
        seconds: float | None,
        *,
        told: Callable[[Exception], None] = lambda _: None,
        breaks: int | None = None,
    ) -> None:
        self.told, self.breaks = told, breaks
        self._until = None if seconds is None else time.monotonic() + seconds

    def end_in(self, seconds: float) -> None:
        """Shorten what is left to `seconds`."""
        until = time.monotonic() + seconds
        self._until = until if self._until is None else min(self._until, until)

    def over(self) -> bool:
        """Whether there is none left."""
        return self._until is not None and time.monotonic() >= self._until


def talk(command: Command[R], session: Session, patience: Patience, url: str) -> Talk[R]:
    """Carry one command through.

    Yields bytes to send (answered with the reply or the exception it met), seconds to pause, or
    RECONNECT. Returns the command's typed reply.

    Raises:
        HeijunkaError: what Redis answered, or that it did not within `patience`.
    """
    script = scripts.load(command.script)
    message = pack(command, script, session)
    pauses, loads, doubtful, breaks = 0, 0, False, 0
    while True:
        reply = yield message
        if not isinstance(reply, Exception):
            return command.read(reply)
        verdict = again(reply)
        if verdict is Again.LOAD:
            loaded = yield packed("SCRIPT", "LOAD", script.source)
            loads += 1
            if isinstance(loaded, Exception):
                reply, verdict = loaded, again(loaded)
            elif loads <= LOADS or not patience.over():
                continue
        if verdict is Again.UNKNOWN:
            doubtful = command.sessions is not None
            verdict = verdict if command.repeatable else Again.NEVER
        breaks = breaks + 1 if broken(reply) else 0
        if verdict is Again.NEVER or patience.over() or breaks == patience.breaks:
            session.renew()
            error = wrapped(reply, url, script)
            raise (unconfirmed(error) if doubtful else error) from _cause(reply)
        patience.told(reply)
        if verdict is Again.RECONNECT:
            yield RECONNECT
        yield pause(pauses)
        pauses += 1


def pack(command: Command[Any], script: scripts.Script, session: Session) -> bytes:
    """The bytes of a call; a numbered one takes its session's next number."""
    keys, args = command.keys, _spelled(command.args)
    if command.sessions is None:
        return _joined(("EVALSHA", script.sha, str(len(keys)), *keys, *args))
    caller, number = command.sessions + session.id, str(session.number())
    return _joined(("EVALSHA", script.sha, str(len(keys) + 1), caller, *keys, number, *args))


def packed(*words: Argument) -> bytes:
    """Words as Redis reads them."""
    return _joined(tuple(_spelled(words)))


def _spelled(words: Sequence[Argument]) -> Sequence[Argument]:
    """Words without numbers, where signals are handled: hiredis crashes when a handler raises while it spells one."""
    if _NUMBERS.isdisjoint(map(type, words)) or threading.get_ident() != threading.main_thread().ident:
        return words
    return [str(word) if word.__class__ in _NUMBERS else word for word in words]


def _joined(words: tuple[Argument, ...]) -> bytes:
    message: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub wants exactly one word
    return message


def pause(times: int) -> float:
    """Seconds to wait before the next try: full jitter, doubling from 10 ms to 1 s.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(times, 10)))  # noqa: S311 - jitter


def _cause(reply: Exception) -> BaseException:
    return reply.__cause__ if isinstance(reply, Unsent) and reply.__cause__ is not None else reply
