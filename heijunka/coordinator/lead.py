"""What a leader does at every tick: observe, decide, act. The deciding is pure and stands in `heijunka.policies`."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from heijunka import commands
from heijunka.broker.client import Channel
from heijunka.broker.conversation import Patience
from heijunka.commands import Explained, Fleet, Target
from heijunka.coordinator.pool import Pool
from heijunka.keys import NamespaceKeys, domain_keys
from heijunka.policies.split import Post, split

log: Final = logging.getLogger("heijunka.coordinator")


class Lead:
    """One term of leadership.

    Parameters:
        keys: of the namespace.
        me: the leader's id.
        term: of the leadership.
    """

    def __init__(self, keys: NamespaceKeys, me: str, term: int) -> None:
        self.term = term
        self._keys, self._me = keys, me
        self._pools: dict[str, Pool] = {}

    def tick(self, channel: Channel) -> bool:
        """Give every pool its target; whether we still lead.

        Raises:
            HeijunkaError: Redis cannot be reached, or will not do.
        """
        fleet = channel.execute(commands.fleet(self._keys), Patience(0))
        rooms = Rooms(fleet)
        for domain in fleet.domains():
            keys = domain_keys(self._keys.namespace, domain)
            pool = self._pools.setdefault(domain, Pool(domain))
            depths = channel.execute(commands.depths(keys), Patience(0))
            oldest_ms = channel.execute(commands.oldest(keys), Patience(0))
            wanted = pool.decide(fleet, depths, oldest_ms)
            if not self._act(channel, domain, fleet, rooms.shared(domain, wanted)):
                return False
        return True

    def _act(self, channel: Channel, domain: str, fleet: Fleet, wanted: Target) -> bool:
        before = fleet.targets.get(domain, Target(-1))
        decision, calls = None, [name for name, share in wanted.split.items() if before.split.get(name) != share]
        if (before.workers, before.mode) != (wanted.workers, wanted.mode):
            decision = Explained(fleet.now_ms, max(0, before.workers), wanted.workers, wanted.reason)
            log.info("%s: %d workers instead of %d: %s", domain, wanted.workers, max(0, before.workers), wanted.reason)
        command = commands.target(self._keys, self._me, self.term, domain, wanted, decision=decision, calls=calls)
        return channel.execute(command, Patience(0))


class Rooms:
    """Who could have how many workers more, while one pool after the other gets its share.

    Parameters:
        fleet: what supervisors have, and should have by now.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._has = {
            name: {domain: self._meant(name, domain) for domain in report.pools}
            for name, report in fleet.reports.items()
        }

    def shared(self, domain: str, wanted: Target) -> Target:
        """The target with its split."""
        posts = {
            name: Post(has[domain], self._fleet.reports[name].room - sum(has.values()), self._fixed(name, domain))
            for name, has in self._has.items()
            if domain in has
        }
        shares = split(wanted.workers, posts)
        for name, share in shares.items():
            self._has[name][domain] = share
        return msgspec.structs.replace(wanted, split=shares)

    def _meant(self, name: str, domain: str) -> int:
        """What a supervisor was told to have, for starting and ending takes a moment; else what it has."""
        reported = self._fleet.reports[name].pools[domain].workers
        told = self._fleet.targets.get(domain)
        if told is None or self._fixed(name, domain):
            return reported
        return told.split.get(name, reported)

    def _fixed(self, name: str, domain: str) -> bool:
        return self._fleet.reports[name].pools[domain].fixed
