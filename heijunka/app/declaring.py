"""What an application declares of its domains, and when Redis hears of it: before the first job that it hands in.

A process tells each declaration once; Redis keeps the one that is new, see `heijunka.control.limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Unpack

from heijunka.app.connected import Connected
from heijunka.app.pooling import PoolKeywords, PoolTerms, breaker_rules, ignored, pool_terms
from heijunka.control.limits import Declaration, LimitKeywords, LimitsOf, given_of
from heijunka.keys import valid_name
from heijunka.policies.admission import Given, Unset, completed
from heijunka.policies.breaker import BreakerRules

CODE: Final = "app.domain"
"""Where a limit comes from that code declares."""

_NAMES: Final = ("soft", "hard", "reserved")


class DomainKeywords(LimitKeywords, PoolKeywords, total=False):
    """What `app.domain` takes."""


class Declaring(Connected):
    """What declares domains.

    Parameters:
        name: what it is called.
        settings: override every other source.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._declared: dict[str, Given] = {}
        self._pools: dict[str, PoolKeywords] = {}
        self._told = False

    def domain(self, name: str, **given: Unpack[DomainKeywords]) -> None:
        """Declare a domain: it is bounded from the first job on that is handed in.

        What is not given here is taken from the setting `domains`, else from the defaults: a soft limit of 1,000, a
        hard limit of 1,200, and 20 % of that reserved for high priority. A domain that is merely used is not bounded.

        Parameters:
            name: of the domain, `[a-z0-9_.-]{1,64}`.
            given: what bounds it, and its pool; settings say what is left out of the pool.

                - soft_limit: the load, in jobs or as the time that it takes ("25s"), from which on accepted jobs are
                  told of pressure; None for never.
                - hard_limit: the load at which everything is refused; None for never.
                - reserved: the share of the hard limit that is left to high priority, from 0 to below 1.
                - min_workers, max_workers: of its pool, over all hosts.
                - initial_workers: that each supervisor begins with.
                - breaker: failures in a row that stop a worker pulling, "0.5 of 20" for a share, None for no breaker.
                - breaker_recovery: "auto", or "manual" until `heijunka breaker reset`.
                - breaker_ignores: exceptions that are no failures.

        Raises:
            InvalidName: the name has other characters.
            InvalidOption: there is no such option, a value is out of its range, or soft is above hard.

        Example:
            >>> app.domain("payment", hard_limit=1_500)
        """
        pool = {option: value for option, value in given.items() if option in PoolKeywords.__annotations__}
        limits = given_of(**{option: value for option, value in given.items() if option not in pool})  # type: ignore[arg-type]
        completed(limits)
        name = valid_name(name, "domain")
        self._declared[name], self._pools[name] = limits, pool  # type: ignore[assignment]  # its keys were picked
        ignored(self._pools[name])
        self._told = False

    def pool_terms(self, domain: str) -> PoolTerms:
        """How many workers a domain's pool may have, and begins with.

        Parameters:
            domain: its name.

        Returns:
            What code says, else what the settings say.

        Raises:
            InvalidOption: they contradict each other.

        Example:
            >>> app.domain("mail", min_workers=0, max_workers=8)
            >>> app.pool_terms("mail")
            PoolTerms(least=0, most=8, initial=2)
        """
        return pool_terms(self._pools.get(domain, {}), self.settings)

    def breaker(self, domain: str) -> tuple[BreakerRules | None, tuple[type[BaseException], ...]]:
        """When a worker stops pulling a domain's jobs, and the exceptions that are no failures.

        Parameters:
            domain: its name.

        Returns:
            The rules of its breaker, None for no breaker; and those exceptions.

        Raises:
            InvalidOption: it is no breaker.

        Example:
            >>> app.domain("fraud", breaker="0.5 of 20", breaker_ignores=ValueError)
            >>> app.breaker("fraud")[0].share
            0.5
        """
        given = self._pools.get(domain, {})
        return breaker_rules(given, self.settings), ignored(given)

    @property
    def declarations(self) -> Mapping[str, Declaration]:
        """What is declared, by domain: in code, and in the setting `domains`, which code overrides."""
        configured, origin = self.settings.domains, self.settings.origin("domains")
        found = {}
        for name in dict.fromkeys((*self._declared, *configured)):
            code, file = self._declared.get(name, Given()), configured.get(name, Given())
            given, origins = {}, {}
            for limit in _NAMES:
                for source, place in ((code, CODE), (file, origin)):
                    if not isinstance(getattr(source, limit), Unset):
                        given[limit], origins[limit] = getattr(source, limit), place
                        break
            found[name] = Declaration(Given(**given), origins)
        return found

    def declare(self) -> None:
        """Tell Redis what is declared; the first call that hands in a job does this.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> app.declare()  # doctest: +SKIP
        """
        declarations = self.declarations
        if declarations:
            limits, now_ms = LimitsOf(self.connections.client, self.keys), self.connections.server_ms()
            for name, declaration in declarations.items():
                limits.declare(name, declaration, now_ms=now_ms)
        self._told = True

    def override(self, values: Mapping[str, Any], origin: str) -> None:
        """Override settings; what is declared is told anew. See `Connected.override`.

        Parameters:
            values: settings by name.
            origin: where they come from, as `config show --origin` shows it.
        """
        super().override(values, origin)
        self._told = False
