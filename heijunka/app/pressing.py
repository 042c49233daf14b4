"""How full domains are, as far as this process knows, and how long who paces itself pauses for that.

What Redis said is good for 100 ms, and whatever a paced call is told in its receipt replaces it; so who produces
steadily never asks, and who comes back after a while asks once, however many wait for the answer.
"""

from __future__ import annotations

import asyncio
import weakref
from asyncio import sleep as asleep
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any, Final

from heijunka import commands
from heijunka.app.declaring import Declaring
from heijunka.commands import Gauge
from heijunka.policies.admission import pressure
from heijunka.policies.slowing import pause_s, slope

GOOD_FOR_S: Final = 0.1
"""How long what was heard of a domain is believed."""


class Pressing(Declaring):
    """What knows how full domains are.

    Parameters:
        name: what it is called.
        settings: override every other source.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._heard: dict[str, tuple[float, Gauge | None]] = {}
        self._asking: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Task[Gauge | None]]] = (
            weakref.WeakKeyDictionary()
        )

    def pressure(self, domain: str) -> float:
        """How full a domain is, at most 100 ms ago: one cheap read, which the calls of a process share.

        Parameters:
            domain: its name.

        Returns:
            Load over soft limit: 1 at the soft limit; 0 in a domain without one.

        Raises:
            InvalidName: no domain can have this name.
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> if app.pressure("payment") < 1:  # doctest: +SKIP
            ...     backfill()
        """
        return _pressure(self._gauge(domain))

    async def apressure(self, domain: str) -> float:
        """How full a domain is. See `pressure`.

        Parameters:
            domain: its name.

        Returns:
            Load over soft limit.

        Raises:
            InvalidName: no domain can have this name.

        Example:
            >>> await app.apressure("payment")  # doctest: +SKIP
            0.42
        """
        return _pressure(await self._agauge(domain))

    def override(self, values: Mapping[str, Any], origin: str) -> None:
        """Override settings, and forget what was heard of domains. See `Connected.override`.

        Parameters:
            values: settings by name.
            origin: where they come from, as `config show --origin` shows it.
        """
        super().override(values, origin)
        self._heard.clear()

    # -- what paced calls do ---------------------------------------------------------------------

    def _pause(self, domain: str, *, high: bool) -> None:
        seconds = _pause_s(self._gauge(domain), high=high)
        if seconds:
            sleep(seconds)

    async def _apause(self, domain: str, *, high: bool) -> None:
        seconds = _pause_s(await self._agauge(domain), high=high)
        if seconds:
            await asleep(seconds)

    def _hear(self, domain: str, gauge: Gauge | None) -> None:
        self._heard[domain] = monotonic() + GOOD_FOR_S, gauge

    def _forget(self, domain: str) -> None:
        self._heard.pop(domain, None)

    def _gauge(self, domain: str) -> Gauge | None:
        until, gauge = self._heard.get(domain, (0.0, None))
        if monotonic() < until:
            return gauge
        if not self._told:
            self.declare()
        gauge = self.connections.client.execute(commands.weigh(self.keys(domain)))
        self._hear(domain, gauge)
        return gauge

    async def _agauge(self, domain: str) -> Gauge | None:
        until, gauge = self._heard.get(domain, (0.0, None))
        if monotonic() < until:
            return gauge
        loop = asyncio.get_running_loop()
        asking = self._asking.setdefault(loop, {})
        if domain not in asking:
            asking[domain] = loop.create_task(self._aweighed(domain), name="heijunka-weigh")
            asking[domain].add_done_callback(lambda task: _over(asking, domain, task))
        return await asyncio.shield(asking[domain])  # the others still want to know when one of them is cancelled

    async def _aweighed(self, domain: str) -> Gauge | None:
        if not self._told:
            await asyncio.to_thread(self.declare)
        gauge = await (await self.connections.opened()).aclient.execute(commands.weigh(self.keys(domain)))
        self._hear(domain, gauge)
        return gauge


def _pressure(gauge: Gauge | None) -> float:
    return 0.0 if gauge is None else pressure(load=gauge.load, soft=gauge.soft)


def _pause_s(gauge: Gauge | None, *, high: bool) -> float:
    bounds = None if gauge is None else slope(soft=gauge.soft, hard=gauge.hard, share=gauge.share, high=high)
    if gauge is None or bounds is None:
        return 0.0
    return pause_s(load=gauge.load, begin=bounds[0], end=bounds[1])


def _over(asking: dict[str, asyncio.Task[Gauge | None]], domain: str, task: asyncio.Task[Gauge | None]) -> None:
    asking.pop(domain, None)
    if not task.cancelled():
        task.exception()  # looked at, should nobody wait for it any more
