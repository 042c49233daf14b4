"""Queues, held back and emptied.

A queue is a priority of a domain, written `high.payment`; the domain's name alone stands for all three. A paused queue
accepts jobs as ever, and nothing is pulled from it once the call that paused it returned: pulling reads the
same field, in the same step. What workers have pulled and not started goes back within 200 ms, uncharged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from heijunka import commands, wire
from heijunka.broker.client import Client
from heijunka.clock import wall_ms
from heijunka.commands import Depths
from heijunka.commands.cancel import REMEMBER_MS
from heijunka.commands.pause import START
from heijunka.errors import Unconfirmed
from heijunka.keys import PRIORITIES, SOURCE_PRIORITY, SUSPECTS, DomainKeys, Priority, valid_name

PURGED: Final = "it was purged from its queue before it ran"


class Queue(msgspec.Struct, frozen=True):
    """One queue, now.

    Attributes:
        name: such as "high.payment".
        domain: whose jobs wait in it.
        priority: theirs.
        paused: whether nothing is pulled from it.
        waiting: jobs that may run now and that nobody has pulled.
        running: jobs that workers have pulled; suspects not included.
    """

    name: str
    domain: str
    priority: Priority
    paused: bool
    waiting: int
    running: int


class Named(NamedTuple):
    """What a name of queues means.

    Attributes:
        domain: whose queues.
        priorities: which of them.
    """

    domain: str
    priorities: tuple[Priority, ...]

    @property
    def letters(self) -> str:
        """The priorities, as scripts write them."""
        return "".join(priority[0] for priority in self.priorities)


class Queues:
    """The queues of an application's domains.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.

    Example:
        >>> app.control.queues.pause("low.payment")  # doctest: +SKIP
        (Queue(name='low.payment', …),)
    """

    def __init__(self, client: Client, keys: Callable[[str], DomainKeys]) -> None:
        self._client, self._keys = client, keys

    def show(self, name: str) -> tuple[Queue, ...]:
        """How a queue is, or each of a domain's.

        Parameters:
            name: of the queue or the domain.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        return self._shown(named(name))

    def pause(self, name: str) -> tuple[Queue, ...]:
        """Let nothing be pulled from a queue. Jobs are accepted into it, and wait in their order.

        Nothing is pulled after this returned, and nothing that was pulled before is started more than 200 ms after it.

        Parameters:
            name: of the queue, or of a domain for all of its queues.

        Returns:
            How the queues are now.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> app.control.queues.pause("low.payment")  # doctest: +SKIP
        """
        meant = named(name)
        self._client.execute(commands.pause(self._keys(meant.domain), "pause", meant.letters))
        return self._shown(meant)

    def resume(self, name: str) -> tuple[Queue, ...]:
        """Let jobs be pulled again.

        Parameters:
            name: of the queue, or of a domain for all of its queues.

        Returns:
            How the queues are now.

        Raises:
            InvalidName: no queue can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        meant = named(name)
        self._client.execute(commands.pause(self._keys(meant.domain), "resume", meant.letters))
        return self._shown(meant)

    def purge(self, name: str) -> int:
        """End the jobs that wait in a queue, as cancelled; who waits for their results is told.

        What runs goes on, and so does what waits for its time. What comes meanwhile may stay or go: pause the domain's
        producers, or drain it, to find it empty afterwards. It works in batches, so when it is interrupted, what was
        done is done.

        Parameters:
            name: of the queue, or of a domain for all of its queues.

        Returns:
            How many jobs it ended.

        Raises:
            InvalidName: no queue can have this name.
            Unconfirmed: a later call of the same caller overtook a batch.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        meant = named(name)
        sources = [
            source
            for source, priority in enumerate(SOURCE_PRIORITY, 1)
            if source == SUSPECTS or priority in meant.priorities
        ]
        return sum(self._emptied(meant, source) for source in sources)

    def _emptied(self, meant: Named, source: int) -> int:
        keys, ended, start = self._keys(meant.domain), 0, START
        failure = wire.Failure(wire.FORMAT, "failed", "cancelled", message=PURGED, at_ms=wall_ms())
        record = wire.encode_end(failure)
        while True:
            step = self._client.execute(
                commands.empty(keys, source, letters=meant.letters, keep_ms=REMEMBER_MS, record=record, start=start)
            )
            if step.overtaken:
                raise Unconfirmed("a later call of this caller was done before", hint="purge again")
            ended += step.jobs
            if step.more is None:
                return ended
            start = step.more

    def _shown(self, meant: Named) -> tuple[Queue, ...]:
        depths: Depths = self._client.execute(commands.depths(self._keys(meant.domain)))
        return tuple(
            Queue(
                f"{priority}.{meant.domain}",
                meant.domain,
                priority,
                priority in depths.paused,
                depths.ready[priority],
                depths.held[priority],
            )
            for priority in meant.priorities
        )


def named(name: str) -> Named:
    """What a name of queues means.

    Parameters:
        name: such as "high.payment", or "payment" for all three.

    Raises:
        InvalidName: no queue can have this name.

    Example:
        >>> named("high.payment"), named("payment").letters
        (Named(domain='payment', priorities=('high',)), 'hnl')
    """
    for priority in PRIORITIES:
        if name.startswith(f"{priority}."):
            return Named(valid_name(name.partition(".")[2], "domain"), (priority,))
    return Named(valid_name(name, "domain"), PRIORITIES)
