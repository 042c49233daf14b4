"""Circuit breakers of workers, as operators close them."""

from __future__ import annotations

from collections.abc import Callable

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.keys import DomainKeys, NamespaceKeys

RESET = "breaker_reset"
"""The field of a domain's limits that says when breakers were reset last, ms by Redis's clock."""


class BreakersOf:
    """The breakers of an application's workers.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.
        namespace: of the application.

    Example:
        >>> app.control.breakers.reset("payment")  # doctest: +SKIP
        2
    """

    def __init__(self, client: Client, keys: Callable[[str], DomainKeys], namespace: str) -> None:
        self._client, self._keys, self._namespace = client, keys, NamespaceKeys(namespace)

    def reset(self, domain: str) -> int:
        """Close the breakers of a domain's workers; how many were not closed, by what supervisors reported last.

        Raises:
            InvalidName: no domain can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        keys = self._keys(domain)
        fleet = self._client.execute(commands.fleet(self._namespace))
        self._client.plain("HSET", keys.limits, RESET, fleet.now_ms)
        self._client.execute(commands.call(self._namespace, tuple(fleet.reports)))
        return sum(pool.broken for pool in fleet.pool(domain).values())
