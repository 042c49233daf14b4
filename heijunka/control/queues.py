"""Queues, which are a priority of a domain each: looked at, paused, purged.

A pause keeps accepting, in order. It is a field of the domain's limits, read by every pull in the step that takes
jobs, so nothing is pulled once it is set; supervisors are called, and their workers give back what they have not
started, within 200 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

import msgspec

from heijunka import commands, wire
from heijunka.broker.client import Client
from heijunka.clock import wall_ms
from heijunka.commands.cancel import REMEMBER_MS
from heijunka.commands.pause import START
from heijunka.errors import InvalidName, Unconfirmed
from heijunka.keys import PRIORITIES, SOURCE_PRIORITY, SUSPECTS, DomainKeys, NamespaceKeys, Priority, valid_name

PURGED: Final = "its queue was purged before it ran"


class Queue(msgspec.Struct, frozen=True):
    """How one queue is.

    Attributes:
        name: such as "high.payment".
        domain: of it.
        priority: of it.
        waiting: jobs that nobody has pulled; suspects not included.
        paused: whether none of them is pulled.
        running: jobs that workers have pulled; suspects not included.
    """

    name: str
    domain: str
    priority: Priority
    waiting: int
    paused: bool
    running: int = 0


class QueuesOf:
    """The queues of an application.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.
        namespace: of the application.
        domains: that it declares.

    Example:
        >>> app.control.queues.pause("low.payment")  # doctest: +SKIP
        [Queue(name='low.payment', domain='payment', priority='low', waiting=0, paused=True, running=0)]
    """

    def __init__(
        self, client: Client, keys: Callable[[str], DomainKeys], namespace: str, domains: Collection[str]
    ) -> None:
        self._client, self._keys, self._domains = client, keys, tuple(domains)
        self._namespace = NamespaceKeys(namespace)

    def __iter__(self) -> Iterator[Queue]:
        return (queue for domain in self._domains for queue in self.show(domain))

    def show(self, name: str) -> list[Queue]:
        """How a queue is, or those of a domain.

        Parameters:
            name: "high.payment" for one, "payment" for all three of the domain.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        domain, priorities = split_name(name)
        depths = self._client.execute(commands.depths(self._keys(domain)))
        return [
            Queue(f"{one}.{domain}", domain, one, depths.ready[one], one in depths.paused, depths.held[one])
            for one in priorities
        ]

    def pause(self, name: str) -> list[Queue]:
        """Let no job of a queue be pulled any more; they are accepted as before. See `show` for names.

        When this returns no more jobs are pulled, and what workers hold unstarted goes back, uncharged and in order;
        none of it is started more than 200 ms later.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        domain, priorities = split_name(name)
        self._client.execute(commands.pause(self._keys(domain), "pause", _letters(priorities)))
        fleet = self._client.execute(commands.fleet(self._namespace))
        self._client.execute(commands.call(self._namespace, [*fleet.reports]))
        return self.show(name)

    def resume(self, name: str) -> list[Queue]:
        """Let jobs of a queue be pulled again. See `show` for names.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        domain, priorities = split_name(name)
        self._client.execute(commands.pause(self._keys(domain), "resume", _letters(priorities)))
        return self.show(name)

    def purge(self, name: str) -> int:
        """Cancel the jobs of a queue that nobody has pulled; how many. See `show` for names.

        Who waits for their results is told that they were cancelled. Scheduled jobs stay, and so does what runs.

        It works in batches: when it is interrupted, what was done is done. What is enqueued meanwhile may stay or go.

        Raises:
            InvalidName: no queue can have this name.
            Unconfirmed: a later call of the same caller overtook a batch.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        domain, priorities = split_name(name)
        failure = wire.Failure(wire.FORMAT, "failed", "cancelled", message=PURGED, at_ms=wall_ms())
        record = wire.encode_end(failure)
        return sum(
            self._emptied(self._keys(domain), source, priorities, record)
            for source, priority in enumerate(SOURCE_PRIORITY, 1)
            if source == SUSPECTS or priority in priorities
        )

    def _emptied(self, keys: DomainKeys, source: int, priorities: tuple[Priority, ...], record: bytes) -> int:
        ended, start, letters = 0, START, _letters(priorities)
        while True:
            step = self._client.execute(
                commands.empty(keys, source, letters=letters, keep_ms=REMEMBER_MS, record=record, start=start)
            )
            if step.overtaken:
                raise Unconfirmed("a later call of this caller was done before", hint="purge again")
            ended += step.jobs
            if step.more is None:
                return ended
            start = step.more


def _letters(priorities: tuple[Priority, ...]) -> str:
    return "".join(priority[0] for priority in priorities)


def split_name(name: str) -> tuple[str, tuple[Priority, ...]]:
    """The domain and the priorities that a queue's name means.

    Parameters:
        name: "high.payment", or "payment" for all priorities of the domain.

    Raises:
        InvalidName: no queue can have this name.

    Example:
        >>> split_name("low.payment"), split_name("payment")[1]
        (('payment', ('low',)), ('high', 'normal', 'low'))
    """
    head, dot, rest = name.partition(".")
    for priority in PRIORITIES:
        if dot and head == priority:
            return valid_name(rest, "domain"), (priority,)
    try:
        return valid_name(name, "domain"), PRIORITIES
    except InvalidName as error:
        raise InvalidName(
            f"{name!r} is no queue", hint="write a domain, or a priority and a domain such as high.payment", name=name
        ) from error
