"""Queues, which are a priority of a domain each: looked at, paused, purged.

A pause keeps accepting, in order. It is a field of the domain's limits, read by every pull in the step that takes
jobs, so nothing is pulled once it is set; supervisors are called, and their workers give back what they have not
started.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

import msgspec

from heijunka import commands, wire
from heijunka.broker.client import Client
from heijunka.clock import wall_ms
from heijunka.commands.cancel import REMEMBER_MS
from heijunka.commands.limit import limit
from heijunka.errors import InvalidName, InvalidOption
from heijunka.keys import PRIORITIES, DomainKeys, NamespaceKeys, Priority, valid_name

LETTERS: Final = {priority: priority[0] for priority in PRIORITIES}
TRIES: Final = 50


class Queue(msgspec.Struct, frozen=True):
    """How one queue is.

    Attributes:
        name: such as "high.payment".
        domain: of it.
        priority: of it.
        waiting: jobs that nobody has pulled.
        paused: whether none of them is pulled.
    """

    name: str
    domain: str
    priority: Priority
    waiting: int
    paused: bool


class QueuesOf:
    """The queues of an application.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.
        namespace: of the application.
        domains: that it declares.

    Example:
        >>> app.control.queues.pause("low.payment")  # doctest: +SKIP
        [Queue(name='low.payment', domain='payment', priority='low', waiting=0, paused=True)]
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
        paused = depths.limits.get("paused", "")
        return [Queue(f"{one}.{domain}", domain, one, depths.ready[one], LETTERS[one] in paused) for one in priorities]

    def pause(self, name: str) -> list[Queue]:
        """Let no job of a queue be pulled any more; they are accepted as before. See `show` for names.

        When this returns no more jobs are pulled, and what workers hold unstarted goes back, uncharged and in order.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        domain, priorities = split_name(name)
        self._change(domain, lambda paused: paused | {LETTERS[one] for one in priorities})
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
        self._change(domain, lambda paused: paused - {LETTERS[one] for one in priorities})
        self._client.plain("RPUSH", self._keys(domain).bell, "1")  # who wakes for it wakes the next, if there is more
        return self.show(name)

    def purge(self, name: str) -> int:
        """Cancel the jobs of a queue that nobody has pulled; how many. See `show` for names.

        Who waits for their results is told that they were cancelled. Scheduled jobs stay, and so does what runs.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        domain, priorities = split_name(name)
        keys, swept = self._keys(domain), 0
        failure = wire.Failure(wire.FORMAT, "failed", "cancelled", message="its queue was purged", at_ms=wall_ms())
        record = wire.encode_end(failure)
        for one in priorities:
            place = PRIORITIES.index(one)
            for stream in (keys.returned[place], keys.ready[place]):
                more = True
                while more:
                    reply = self._client.execute(commands.sweep(keys, stream, keep_ms=REMEMBER_MS, record=record))
                    swept, more = swept + reply.jobs, reply.more
        return swept

    def _change(self, domain: str, change: Callable[[frozenset[str]], frozenset[str]]) -> None:
        keys = self._keys(domain)
        for _ in range(TRIES):
            stored = self._client.execute(commands.depths(keys)).limits
            before = frozenset(stored.get("paused", ""))
            wanted = "".join(sorted(change(before)))
            if wanted == "".join(sorted(before)):
                return
            if self._client.execute(limit(keys, int(stored.get("version", 0)), {"paused": wanted})):
                return
        raise InvalidOption(f"the limits of {domain} are changed all the time", hint="try again", option="queue")


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
