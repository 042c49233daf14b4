"""What a leader does at every tick: observe, decide, act. The deciding is pure and stands in `heijunka.policies`."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from heijunka import commands
from heijunka.broker.client import Channel
from heijunka.broker.conversation import Patience
from heijunka.commands import Explained, Fleet, Target
from heijunka.coordinator.pool import Pool, Wanted
from heijunka.counted import counted
from heijunka.keys import NamespaceKeys, domain_keys
from heijunka.policies.balance import BalanceRules, Share, allotted, rebalanced
from heijunka.policies.burst import BurstRules, Surge
from heijunka.policies.split import Post, split

log: Final = logging.getLogger("heijunka.coordinator")

ORPHANS_EVERY_MS: Final = 60_000
"""How often domains are looked at that nobody serves."""


class Lead:
    """One term of leadership.

    Parameters:
        keys: of the namespace.
        me: the leader's id.
        term: of the leadership.
        bursts: when a pool gets a surge.
        balance: how many workers all pools may have together.
    """

    def __init__(self, keys: NamespaceKeys, me: str, term: int, bursts: BurstRules, balance: BalanceRules) -> None:
        self.term = term
        self._keys, self._me, self._bursts, self._balance = keys, me, bursts, balance
        self._pools: dict[str, Pool] = {}
        self._moved_ms: int | None = None
        self._looked_ms = 0

    def tick(self, channel: Channel) -> bool:
        """Give every pool its target; whether we still lead.

        Raises:
            HeijunkaError: Redis cannot be reached, or will not do.
        """
        fleet = channel.execute(commands.fleet(self._keys), Patience(0))
        self._look_for_orphans(channel, fleet)
        wanted = {}
        for domain in fleet.domains():
            keys = domain_keys(self._keys.namespace, domain)
            pool = self._pools.setdefault(domain, Pool(domain, self._bursts))
            depths = channel.execute(commands.depths(keys), Patience(0))
            oldest_ms = channel.execute(commands.oldest(keys), Patience(0))
            wanted[domain] = pool.decide(fleet, depths, oldest_ms)
        rooms, targets = Rooms(fleet), self._shared_out(fleet.now_ms, wanted)
        for domain, target in targets.items():
            if not self._act(channel, domain, fleet, rooms.shared(domain, target), wanted[domain].ended):
                return False
        return True

    def _shared_out(self, now_ms: int, wanted: dict[str, Wanted]) -> dict[str, Target]:
        """The targets, when all pools together may have only so many workers."""
        targets = {domain: one.target for domain, one in wanted.items()}
        shares = {domain: one.share for domain, one in wanted.items() if one.share is not None}
        rules = self._balance
        if rules.total is None or not shares:
            return targets
        taken = sum(target.workers for domain, target in targets.items() if domain not in shares)
        left = msgspec.structs.replace(rules, total=max(1, rules.total - taken))
        sizes: dict[str, int] = allotted(left, shares)
        reasons: dict[str, str] = {}
        if sum(one.wanted for one in shares.values()) > left.total:  # type: ignore[operator]  # it has one
            sizes, reasons = self._rebalanced(now_ms, sizes, shares)
        for domain, size in sizes.items():
            if size != shares[domain].wanted:
                why = reasons.get(domain, f"all pools may have {rules.total} workers together")
                reason = f"{targets[domain].reason}; {why}"
                targets[domain] = msgspec.structs.replace(targets[domain], workers=size, reason=reason)
        return targets

    def _rebalanced(
        self, now_ms: int, sizes: dict[str, int], shares: dict[str, Share]
    ) -> tuple[dict[str, int], dict[str, str]]:
        if self._moved_ms is not None and 0 <= now_ms - self._moved_ms < self._balance.cooldown_s * 1_000:
            return sizes, {}
        present = {domain: msgspec.structs.replace(one, workers=sizes[domain]) for domain, one in shares.items()}
        move = rebalanced(self._balance, present)
        if not move.migrated:
            return sizes, {}
        self._moved_ms = now_ms
        log.info("%s to %s: %d workers: %s", move.source, move.destination, move.migrated, move.reason)
        moved = {
            move.source: sizes[move.source] - move.migrated,
            move.destination: sizes[move.destination] + move.migrated,
        }
        return sizes | moved, dict.fromkeys(moved, f"{move.migrated} moved: {move.reason}")

    def _look_for_orphans(self, channel: Channel, fleet: Fleet) -> None:
        """Say which domains have jobs and nobody who runs them, once a minute."""
        if 0 <= fleet.now_ms - self._looked_ms < ORPHANS_EVERY_MS:
            return
        self._looked_ms = fleet.now_ms
        known = {domain for report in fleet.reports.values() for domain in report.known}
        for domain in sorted(known.difference(fleet.domains())):
            depths = channel.execute(commands.depths(domain_keys(self._keys.namespace, domain)), Patience(0))
            waiting = sum(depths.ready.values()) + depths.suspects
            if waiting:
                jobs = counted(waiting, "job")
                log.warning("%s: %s wait and nobody runs them: heijunka worker -d %s", domain, jobs, domain)

    def _act(self, channel: Channel, domain: str, fleet: Fleet, wanted: Target, ended: Surge | None) -> bool:
        before = fleet.targets.get(domain, Target(-1))
        decision, calls = None, [name for name, share in wanted.split.items() if before.split.get(name) != share]
        if (before.workers, before.mode) != (wanted.workers, wanted.mode):
            decision = Explained(fleet.now_ms, max(0, before.workers), wanted.workers, wanted.reason)
            log.info("%s: %d workers instead of %d: %s", domain, wanted.workers, max(0, before.workers), wanted.reason)
        command = commands.target(
            self._keys, self._me, self.term, domain, wanted, decision=decision, ended=ended, calls=calls
        )
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
