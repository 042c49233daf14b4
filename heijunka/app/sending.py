"""Hand jobs to Redis, and do what the call asked for when there is no room.

The first try is the straight line: nothing of what a call wants done about an overload is looked at before there is
one. Who waits is told of room by a bell, `keys.room`, which settling rings; now and then it looks by itself, because
a ring may be lost with whoever heard it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from heijunka import commands
from heijunka.app.admission import RAISE, Terms, overloaded
from heijunka.app.middleware import AroundEnqueue
from heijunka.app.outgoing import BATCH, Outgoing, flat
from heijunka.app.pressing import Pressing
from heijunka.broker.command import Command
from heijunka.broker.conversation import Patience
from heijunka.commands import Accepted, Overtaken, Refused
from heijunka.errors import Overloaded, Unconfirmed
from heijunka.keys import DomainKeys

R = TypeVar("R")

LOOK_AGAIN_S: Final = 1.0
"""How long who waits for room relies on the bell."""

Answer = Accepted | Refused | Overtaken
Ask = Callable[[], Terms]
"""Tells what a call wants done; asked when it was refused."""


def as_default() -> Terms:
    """Raise."""
    return RAISE


class Sending(Pressing):
    """What hands jobs to Redis.

    Parameters:
        name: what it is called.
        settings: override every other source.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._around_enqueue: list[AroundEnqueue] = []

    def send(
        self, outgoing: Sequence[Outgoing], ask: Ask = as_default, *, partial: bool = False, paces: bool = False
    ) -> Accepted:
        """Enqueue jobs of one domain in one call; tasks do this.

        Parameters:
            outgoing: the jobs, 1,000 at most.
            ask: tells what to do when there is no room.
            partial: accept what there is room for, instead of all or none.
            paces: pause first, for longer the fuller the domain is.

        Returns:
            When Redis accepted them, and which it did not.

        Raises:
            Overloaded: there is no room for them.
        """
        if paces:
            self._pause(outgoing[0].domain, high=_is_high(outgoing))
            with self._listening(outgoing) as heard:
                heard.append(self.send(outgoing, ask, partial=partial))
            return heard[0]
        if not self._around_enqueue:
            return self._sent(outgoing, ask, partial=partial)
        with self._around(outgoing):
            return self._sent(outgoing, ask, partial=partial)

    async def asend(
        self, outgoing: Sequence[Outgoing], ask: Ask = as_default, *, partial: bool = False, paces: bool = False
    ) -> Accepted:
        """Enqueue jobs of one domain, together with what others enqueue meanwhile. See `send`.

        Parameters:
            outgoing: the jobs, 1,000 at most.
            ask: tells what to do when there is no room.
            partial: accept what there is room for, instead of all or none.
            paces: pause first, for longer the fuller the domain is.

        Returns:
            When Redis accepted them, and which it did not.

        Raises:
            Overloaded: there is no room for them.
        """
        if paces:
            await self._apause(outgoing[0].domain, high=_is_high(outgoing))
            with self._listening(outgoing) as heard:
                heard.append(await self.asend(outgoing, ask, partial=partial))
            return heard[0]
        if not self._told:
            await asyncio.to_thread(self.declare)
        coalescer = (await self.connections.opened()).coalescer(self.keys(outgoing[0].domain))
        with self._around(outgoing):
            reply = await coalescer.add(outgoing, partial=partial)
            if isinstance(reply, Accepted):
                return reply
            terms = ask()
            until = time.monotonic() + terms.waits_ms / 1_000
            while (left := until - time.monotonic()) > 0 and reply.reason != "draining":
                reply = await coalescer.add(outgoing, waits_ms=round(left * 1_000))
                if isinstance(reply, Accepted):
                    return reply
                await coalescer.room.wait(min(LOOK_AGAIN_S, max(0.01, until - time.monotonic())))
            return _given_up(reply, outgoing, terms)

    def send_many(
        self, outgoing: Sequence[Outgoing], ask: Ask = as_default, *, partial: bool = False, paces: bool = False
    ) -> Iterable[Accepted]:
        """Enqueue jobs of one domain, 1,000 a call; tasks do this.

        Parameters:
            outgoing: the jobs, as many as there are.
            ask: tells what to do when there is no room.
            partial: accept what there is room for, instead of all or none of each thousand.
            paces: pause before each thousand, for longer the fuller the domain is.

        Returns:
            What became of each thousand.

        Raises:
            Overloaded: there is no room for a thousand; it says how many before it were accepted.
        """
        replies = []
        for at in range(0, len(outgoing), BATCH):
            with _counting(at):
                replies.append(self.send(outgoing[at : at + BATCH], ask, partial=partial, paces=paces))
        return replies

    async def asend_many(
        self, outgoing: Sequence[Outgoing], ask: Ask = as_default, *, partial: bool = False, paces: bool = False
    ) -> Iterable[Accepted]:
        """Enqueue jobs of one domain, 1,000 a call. See `send_many`.

        Parameters:
            outgoing: the jobs, as many as there are.
            ask: tells what to do when there is no room.
            partial: accept what there is room for, instead of all or none of each thousand.
            paces: pause before each thousand, for longer the fuller the domain is.

        Returns:
            What became of each thousand.

        Raises:
            Overloaded: there is no room for a thousand; it says how many before it were accepted.
        """
        replies = []
        for at in range(0, len(outgoing), BATCH):
            with _counting(at):
                replies.append(await self.asend(outgoing[at : at + BATCH], ask, partial=partial, paces=paces))
        return replies

    def _sent(self, outgoing: Sequence[Outgoing], ask: Ask, *, partial: bool) -> Accepted:
        if not self._told:
            self.declare()
        client, keys = self.connections.client, self.keys(outgoing[0].domain)
        reply = client.execute(commands.enqueue(keys, flat(outgoing), partial=partial))
        if isinstance(reply, Accepted):
            return reply
        refused, terms = not_overtaken(reply), ask()
        if terms.waits_ms and refused.reason != "draining":
            words = flat(outgoing)
            answer = self._waited(keys, lambda ms: commands.enqueue(keys, words, waits_ms=ms), terms.waits_ms)
            if isinstance(answer, Accepted):
                return answer
            refused = answer
        return _given_up(refused, outgoing, terms)

    def _waited(
        self, keys: DomainKeys, call: Callable[[int], Command[R | Refused | Overtaken]], waits_ms: int
    ) -> R | Refused:
        """The answer to a call that is made, for how long it will still wait (ms), until it gets in or time is up."""
        client, until = self.connections.client, time.monotonic() + waits_ms / 1_000
        bell = client.blocking(longest_s=LOOK_AGAIN_S)
        try:
            while True:
                left = until - time.monotonic()
                reply = client.execute(call(max(0, round(left * 1_000))))
                if isinstance(reply, Overtaken):
                    raise overtaken()
                if not isinstance(reply, Refused) or left <= 0 or reply.reason == "draining":
                    return reply
                seconds = min(LOOK_AGAIN_S, max(0.01, until - time.monotonic()))
                bell.plain("BLPOP", keys.room, f"{seconds:.3f}", patience=Patience(0))
        finally:
            bell.close()

    @contextlib.contextmanager
    def _listening(self, outgoing: Sequence[Outgoing]) -> Iterator[list[Accepted]]:
        """Learn how full the domain is from what a call is told."""
        heard: list[Accepted] = []
        try:
            yield heard
        except Overloaded:
            self._forget(outgoing[0].domain)
            raise
        self._hear(outgoing[0].domain, heard[0].gauge)

    @contextlib.contextmanager
    def _around(self, outgoing: Sequence[Outgoing]) -> Any:
        with contextlib.ExitStack() as stack:
            for middleware in self._around_enqueue:
                stack.enter_context(middleware(outgoing))
            yield


def _is_high(outgoing: Sequence[Outgoing]) -> bool:
    return outgoing[0].where[0] == "h"


def not_overtaken(reply: Refused | Overtaken) -> Refused:
    """A refusal.

    Raises:
        Unconfirmed: another call of the same caller overtook it.
    """
    if isinstance(reply, Overtaken):
        raise overtaken()
    return reply


def overtaken() -> Unconfirmed:
    """The error of a call whose copy came after a later one."""
    return Unconfirmed("a later call of this caller was done before", hint="look whether the job exists")


def _given_up(refused: Refused, outgoing: Sequence[Outgoing], terms: Terms) -> Accepted:
    if terms.on_overload != "drop":
        raise overloaded(refused, outgoing)
    return Accepted(0, refused.gauge, tuple((at, refused.reason) for at in range(len(outgoing))))


@contextlib.contextmanager
def _counting(accepted: int) -> Any:
    try:
        yield
    except Overloaded as error:
        error.accepted = error.facts["accepted"] = accepted
        raise
