"""A caller of numbered calls: it sends the last one again, and finds a copy of an earlier one arriving late."""

from __future__ import annotations

from typing import Any, TypeVar

from heijunka.broker.command import Command
from heijunka.commands import Overtaken, Settled
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor
from tests.lua.scripts.numbered import copy_of

R = TypeVar("R")


class Caller:
    """Numbers its calls.

    Parameters:
        client: carries them out.
        keys: of the domain it calls.
        name: of its session.
    """

    def __init__(self, client: Executor, keys: DomainKeys, name: str) -> None:
        self._client, self._keys, self._name = client, keys, name
        self._number = 0
        self._last: Command[Any] | None = None
        self._reply: Any = None

    def call(self, command: Command[R]) -> R:
        """Make the next call."""
        self._last, self._number = command, self._number + 1
        self._reply = reply = self._sent(command, self._number)
        return reply

    def repeat(self) -> None:
        """Send the last call again: the answer is the first one's."""
        assert self._last is not None
        reply = self._sent(self._last, self._number)
        if isinstance(self._reply, Settled):
            assert Settled(self._reply.fenced, replayed=True) == reply
        else:
            assert self._reply == reply

    def arrive_late(self) -> None:
        """Let a copy of a call before the last arrive: it is told that it was overtaken."""
        assert self._last is not None
        reply = self._sent(self._last, self._number - 1)
        assert isinstance(reply, Overtaken) or reply in (Settled((), replayed=False, overtaken=True), "stale")

    def has_called(self) -> bool:
        """Whether there is a call to send again."""
        return self._last is not None

    def _sent(self, command: Command[R], number: int) -> R:
        return self._client.execute(copy_of(command, self._keys, number=number, caller=self._name))
