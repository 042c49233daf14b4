"""What an application declares of its domains, and when Redis hears of it: before the first job that it hands in.

A process tells each declaration once; Redis keeps the one that is new, see `heijunka.control.limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Unpack

from heijunka.app.connected import Connected
from heijunka.control.limits import Declaration, LimitKeywords, LimitsOf, given_of
from heijunka.keys import valid_name
from heijunka.policies.admission import Given, Unset, completed

CODE: Final = "app.domain"
"""Where a limit comes from that code declares."""

_NAMES: Final = ("soft", "hard", "reserved")


class Declaring(Connected):
    """What declares domains.

    Parameters:
        name: what it is called.
        settings: override every other source.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._declared: dict[str, Given] = {}
        self._told = False

    def domain(self, name: str, **limits: Unpack[LimitKeywords]) -> None:
        """Declare a domain: it is bounded from the first job on that is handed in.

        What is not given here is taken from the setting `domains`, else from the defaults: a soft limit of 1,000, a
        hard limit of 1,200, and 20 % of that reserved for high priority. A domain that is merely used is not bounded.

        Parameters:
            name: of the domain, `[a-z0-9_.-]{1,64}`.
            limits: what bounds it.

                - soft_limit: the load, in jobs, from which on accepted jobs are told of pressure; None for never.
                - hard_limit: the load, in jobs, at which everything is refused; None for never.
                - reserved: the share of the hard limit that is left to high priority, from 0 to below 1.

        Raises:
            InvalidName: the name has other characters.
            InvalidOption: there is no such limit, it is out of its range, or soft is above hard.

        Example:
            >>> app.domain("payment", hard_limit=1_500)
        """
        given = given_of(**limits)
        completed(given)
        self._declared[valid_name(name, "domain")] = given
        self._told = False

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
