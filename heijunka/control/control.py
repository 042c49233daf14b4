"""What operators do to an application's domains: the one way in, `app.control`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heijunka.broker.client import Client
from heijunka.control.breakers import BreakersOf
from heijunka.control.dead import DeadLetters
from heijunka.control.limits import Bounds, LimitsOf
from heijunka.control.pools import PoolsOf
from heijunka.control.queues import QueuesOf
from heijunka.control.tasks import KnownTask
from heijunka.keys import DomainKeys


class Control:
    """An operator's hands.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.
        namespace: of the application.
        domains: that it declares.
        tasks: the application's tasks by name; without any, arguments are neither typed nor checked.
        max_payload: the most bytes that the encoded arguments of a call may take.

    Example:
        >>> app.control.dead.retry("payment", reason="retries", rate="50/s")  # doctest: +SKIP
    """

    def __init__(
        self,
        client: Client,
        keys: Callable[[str], DomainKeys],
        tasks: Mapping[str, KnownTask],
        *,
        max_payload: int,
        namespace: str,
        domains: tuple[str, ...] = (),
    ) -> None:
        self._client, self._keys, self._tasks, self._max_payload = client, keys, tasks, max_payload
        self._namespace, self._domains = namespace, domains

    @property
    def dead(self) -> DeadLetters:
        """The dead letters."""
        return DeadLetters(self._client, self._keys, self._tasks, max_payload=self._max_payload)

    @property
    def pools(self) -> PoolsOf:
        """The pools of workers."""
        return PoolsOf(self._client, self._keys, self._namespace, self._domains)

    @property
    def breakers(self) -> BreakersOf:
        """The circuit breakers of its workers."""
        return BreakersOf(self._client, self._keys, self._namespace)

    @property
    def limits(self) -> LimitsOf:
        """What bounds its domains."""
        return LimitsOf(self._client, self._keys)

    def set_hard_limit(self, domain: str, jobs: int | None) -> Bounds:
        """Change the load at which a domain refuses everything; None for never.

        Raises:
            InvalidOption: it is no number of jobs, or below the soft limit.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        return self.limits.set(domain, hard_limit=jobs)

    @property
    def queues(self) -> QueuesOf:
        """The queues of its domains."""
        return QueuesOf(self._client, self._keys, self._namespace, self._domains)
