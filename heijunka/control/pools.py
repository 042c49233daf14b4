"""Pools of workers, as operators see and size them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.commands import Explained, Fleet, Order, PoolReport, Target
from heijunka.commands.fleet import EXPLAINED
from heijunka.counted import counted
from heijunka.errors import InvalidOption, MaxWorkersReached, MinWorkersReached
from heijunka.keys import DomainKeys, NamespaceKeys, Priority
from heijunka.policies.balance import BalanceRules, Move, Share, coefficient, rebalanced
from heijunka.policies.burst import Surge, Totals
from heijunka.policies.health import WORDS


class PoolStatus(msgspec.Struct, frozen=True):
    """How one pool is.

    Attributes:
        domain: whose jobs it runs.
        current: workers that pull, or will in a moment.
        draining: workers that finish what they run and end.
        target: workers it should have.
        mode: "auto" when the leader sizes it, "manual" when somebody ordered its size, "fixed" when its supervisors
            were started with a number, "alone" when nobody leads.
        least, most: bounds of the target.
        slots: attempts that all its workers can run at a time.
        surge: workers that a surge adds now.
        busy: jobs that workers hold.
        broken: workers whose breaker is not closed.
        waiting: jobs that nobody has pulled yet.
        ready: of these, how many of each priority.
        load: jobs that wait or run, and admission leases.
        bounded: whether anything bounds the load.
        ended: jobs that have come to their end, in all.
        oldest_s: how long the oldest of those that wait has waited, in seconds.
        utilisation: busy to all slot-seconds of the last window, 0 to 1.
        health: the word for it; see docs/scaling.md.
        reason: why it should have so many workers.
        at_ms: when, ms since the epoch by Redis's clock.
    """

    domain: str
    current: int
    draining: int
    target: int
    mode: str
    least: int
    most: int
    slots: int
    surge: int
    busy: int
    broken: int
    waiting: int
    ready: dict[Priority, int]
    load: int
    bounded: bool
    ended: int
    oldest_s: float
    utilisation: float
    health: str
    reason: str
    at_ms: int


class PoolHealth(msgspec.Struct, frozen=True):
    """How one pool has been doing.

    Attributes:
        current_workers: that pull, or will in a moment.
        target_workers: that it should have.
        queue_depth_samples: jobs that waited at the last ten looks of the leader, the oldest first.
        queue_draining: whether fewer wait than at the first of these.
        health: the word for it.
        timestamp: when, ms since the epoch by Redis's clock.
    """

    current_workers: int
    target_workers: int
    queue_depth_samples: tuple[int, ...]
    queue_draining: bool
    health: str
    timestamp: int


class PoolOf:
    """One pool.

    Parameters:
        client: executes commands.
        keys: of its domain.

    Example:
        >>> app.control.pools["payment"].scale_to(12)  # doctest: +SKIP
        12
    """

    def __init__(self, client: Client, keys: DomainKeys) -> None:
        self._client, self._keys = client, keys
        self._namespace = NamespaceKeys(keys.namespace)

    @property
    def domain(self) -> str:
        """Whose jobs it runs."""
        return self._keys.domain

    def status(self) -> PoolStatus:
        """How it is now.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        return self._status(self._client.execute(commands.fleet(self._namespace)))

    def health(self) -> PoolHealth:
        """How it has been doing.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        fleet = self._client.execute(commands.fleet(self._namespace))
        now, samples = self._status(fleet), fleet.targets.get(self.domain, Target(0)).depths
        falls = len(samples) > 1 and samples[-1] < samples[0]
        return PoolHealth(now.current, now.target, samples, falls, now.health, now.at_ms)

    def scale_to(self, workers: int) -> int:
        """Let it have so many workers, whatever its load, until `auto`; how many.

        Raises:
            InvalidOption: it is no number of workers.
            MaxWorkersReached, MinWorkersReached: it is outside the pool's bounds.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        if isinstance(workers, bool) or workers < 0:
            raise InvalidOption(f"workers {workers!r} is no whole number from 0 on", option="workers")
        fleet = self._client.execute(commands.fleet(self._namespace))
        least, most = _bounds(fleet.pool(self.domain))
        if workers > most:
            raise MaxWorkersReached(
                f"{self.domain} may have {counted(most, 'worker')} at most, not {workers}",
                hint="raise the setting max_workers",
                domain=self.domain,
                limit=most,
            )
        if workers < least:
            raise MinWorkersReached(
                f"{self.domain} has {counted(least, 'worker')} at least, not {workers}",
                hint="lower the setting min_workers",
                domain=self.domain,
                limit=least,
            )
        self._order(fleet, workers=workers)
        return workers

    def adjust_workers(self, by: int) -> int:
        """Let it have so many workers more than it should have now, or fewer; how many. See `scale_to`."""
        fleet = self._client.execute(commands.fleet(self._namespace))
        return self.scale_to(max(0, self._meant(fleet) + by))

    def scale_up(self, by: int = 1) -> int:
        """Let it have so many workers more; how many then. See `scale_to`."""
        return self.adjust_workers(by)

    def scale_down(self, by: int = 1) -> int:
        """Let it have so many workers fewer; how many then. See `scale_to`."""
        return self.adjust_workers(-by)

    def auto(self) -> None:
        """Leave its size to the leader again.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        self._order(self._client.execute(commands.fleet(self._namespace)), workers=None)

    def explain(self, last: int = EXPLAINED) -> list[Explained]:
        """The last decisions about its size, the newest first.

        Parameters:
            last: how many at most, up to 100.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        found = self._client.plain("LRANGE", self._namespace.explained(self.domain), 0, max(0, last - 1))
        return [msgspec.msgpack.decode(one, type=Explained) for one in found] if last > 0 else []

    def surges(self, last: int = EXPLAINED) -> list[Surge]:
        """Its surges that ended, the newest first.

        Parameters:
            last: how many at most, up to 100.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        found = self._client.plain("LRANGE", self._namespace.surges(self.domain), 0, max(0, last - 1))
        return [msgspec.msgpack.decode(one, type=Surge) for one in found] if last > 0 else []

    def burst_status(self) -> Surge | None:
        """The surge that is on.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        fleet = self._client.execute(commands.fleet(self._namespace))
        return fleet.targets.get(self.domain, Target(0)).surge

    def surge_metrics(self) -> Totals:
        """What all its surges have come to.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        fleet = self._client.execute(commands.fleet(self._namespace))
        return fleet.targets.get(self.domain, Target(0)).surges

    def stop_surge(self) -> bool:
        """End its surge, and begin none for as long as one lasts; whether there was one.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        fleet = self._client.execute(commands.fleet(self._namespace))
        self._order(fleet, stopped_ms=fleet.now_ms)
        return fleet.targets.get(self.domain, Target(0)).surge is not None

    def _order(self, fleet: Fleet, **wanted: int | None) -> None:
        order = msgspec.structs.replace(fleet.orders.get(self.domain, Order()), **wanted)
        command = commands.order(self._namespace, self.domain, None if order == Order() else order)
        self._client.execute(command)

    def _meant(self, fleet: Fleet) -> int:
        ordered, target = fleet.orders.get(self.domain, Order()), fleet.targets.get(self.domain)
        if ordered.workers is not None:
            return ordered.workers
        return target.workers if target else sum(one.workers for one in fleet.pool(self.domain).values())

    def _status(self, fleet: Fleet) -> PoolStatus:
        reports, target = fleet.pool(self.domain), fleet.targets.get(self.domain, Target(0))
        depths = self._client.execute(commands.depths(self._keys))
        oldest_ms = self._client.execute(commands.oldest(self._keys))
        waiting = sum(depths.ready.values()) + depths.suspects
        least, most = _bounds(reports)
        nobody = "down" if waiting else "idle"
        return PoolStatus(
            domain=self.domain,
            current=sum(one.workers for one in reports.values()),
            draining=sum(one.draining for one in reports.values()),
            target=self._meant(fleet),
            mode=_mode(fleet, self.domain),
            least=least,
            most=most,
            slots=sum((one.workers - one.starting) * one.slots for one in reports.values()),
            surge=target.surge.workers if target.surge else 0,
            busy=depths.running,
            broken=sum(one.broken for one in reports.values()),
            waiting=waiting,
            ready=depths.ready,
            load=depths.load,
            bounded="rule" in depths.limits,
            ended=depths.counted("ack", "done", "dropped", "dead", "buried", "cancelled"),
            oldest_s=0.0 if oldest_ms is None else max(0, fleet.now_ms - oldest_ms) / 1_000,
            utilisation=target.utilisation,
            health=target.health if reports else nobody,
            reason=target.reason if reports else "no supervisor serves it",
            at_ms=fleet.now_ms,
        )


class PoolsOf:
    """The pools of an application, by domain.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.
        namespace: of the application.
        declared: the domains that it declares.
    """

    def __init__(
        self, client: Client, keys: Callable[[str], DomainKeys], namespace: str, declared: tuple[str, ...]
    ) -> None:
        self._client, self._keys, self._declared = client, keys, declared
        self._namespace = NamespaceKeys(namespace)

    def __getitem__(self, domain: str) -> PoolOf:
        return PoolOf(self._client, self._keys(domain))

    def __iter__(self) -> Iterator[PoolOf]:
        fleet = self._client.execute(commands.fleet(self._namespace))
        return (self[domain] for domain in sorted({*self._declared, *fleet.domains(), *fleet.targets}))

    def leader(self) -> str:
        """Who leads; "" when nobody does."""
        return self._client.execute(commands.fleet(self._namespace)).leader

    def balance(self) -> float:
        """How evenly the pools are used, from 0 to 1; see docs/scaling.md.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        fleet = self._client.execute(commands.fleet(self._namespace))
        return coefficient([one.utilisation for one in _shares(fleet).values()])

    def rebalance(self) -> Move:
        """Move workers from the least used pool to the most used one, if they are not balanced; what was moved.

        Pools whose size was ordered, or fixed when they were started, are left out.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        fleet = self._client.execute(commands.fleet(self._namespace))
        move = rebalanced(BalanceRules(), _shares(fleet))
        for domain, moved in ((move.source, -move.migrated), (move.destination, move.migrated)):
            if moved:
                order = fleet.orders.get(domain, Order())
                order = msgspec.structs.replace(order, moved=moved, moved_ms=fleet.now_ms)
                self._client.execute(commands.order(self._namespace, domain, order))
        return move

    def overall(self) -> PoolHealth:
        """How all pools together have been doing; its word is the worst of theirs.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        every = list(self.health().values())
        samples = tuple(
            sum(depths)
            for depths in zip(*(one.queue_depth_samples for one in every if one.queue_depth_samples), strict=False)
        )
        words = [one.health for one in every if one.health in WORDS]
        return PoolHealth(
            sum(one.current_workers for one in every),
            sum(one.target_workers for one in every),
            samples,
            len(samples) > 1 and samples[-1] < samples[0],
            min(words, key=WORDS.index, default=""),
            max((one.timestamp for one in every), default=0),
        )

    def health(self) -> dict[str, PoolHealth]:
        """How each pool has been doing, by domain.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        return {pool.domain: pool.health() for pool in self}


def _bounds(reports: dict[str, PoolReport]) -> tuple[int, int]:
    """What supervisors say; they may differ during a deploy, and then the wider ones hold."""
    if not reports:
        return 0, 10_000
    return min(one.least for one in reports.values()), max(one.most for one in reports.values())


def _shares(fleet: Fleet) -> dict[str, Share]:
    """What pools have whose sizes are the leader's to choose."""
    found = {}
    for domain in fleet.domains():
        target = fleet.targets.get(domain)
        if target is not None and _mode(fleet, domain) == "auto":
            least, most = _bounds(fleet.pool(domain))
            found[domain] = Share(target.workers, target.workers, least, most, target.utilisation)
    return found


def _mode(fleet: Fleet, domain: str) -> str:
    if fleet.orders.get(domain, Order()).workers is not None:
        return "manual"
    reports = fleet.pool(domain).values()
    if reports and all(one.fixed for one in reports):
        return "fixed"
    return "auto" if fleet.leader else "alone"
