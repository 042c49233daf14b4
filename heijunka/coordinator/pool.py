"""One pool, as the leader sees it: what it saw last, and what it makes of what it sees now."""

from __future__ import annotations

from typing import Final

import msgspec

from heijunka.commands import Depths, Fleet, Order, PoolReport, Target
from heijunka.coordinator.memory import Flow, Memory
from heijunka.errors import InvalidOption
from heijunka.keys import PRIORITIES
from heijunka.policies import burst
from heijunka.policies.balance import Share
from heijunka.policies.burst import BurstRules, BurstState, Surge
from heijunka.policies.health import health
from heijunka.policies.scaling import Sample, ScalingRules, State, decide

DEPTHS: Final = 10
"""How many looks back the queue's depth is kept."""

STRANGE_LOOKS: Final = 3
"""At how many looks in a row a registered worker must be unknown to be stale: reports are a moment old."""


class Wanted(msgspec.Struct, frozen=True):
    """What a pool should have, if it were alone.

    Attributes:
        target: that.
        share: for sharing out what all pools may have; None when its size is not the leader's to choose.
        ended: the surge that ended now.
    """

    target: Target
    share: Share | None = None
    ended: Surge | None = None


class Pool:
    """What the leader remembers of one pool.

    Parameters:
        domain: whose jobs it runs.
        bursts: when it gets a surge.
    """

    def __init__(self, domain: str, bursts: BurstRules) -> None:
        self._domain, self._bursts = domain, bursts
        self._memory, self._state = Memory(), State()
        self._burst: BurstState | None = None
        self._depths: tuple[int, ...] = ()
        self._moved_ms = 0
        self._strange = 0

    def decide(self, fleet: Fleet, depths: Depths, oldest_ms: int | None) -> Wanted:
        """What the pool should have.

        Parameters:
            fleet: who serves, and what is ordered.
            depths: what the domain holds.
            oldest_ms: since when the oldest job waits, by Redis's clock.
        """
        reports, before = fleet.pool(self._domain), fleet.targets.get(self._domain)
        paused = depths.paused
        backlog = sum(waiting for priority, waiting in depths.ready.items() if priority not in paused) + depths.suspects
        self._depths = (*self._depths, backlog)[-DEPTHS:]
        workers = sum(one.workers for one in reports.values())
        if self._burst is None:  # a leader before us may have raised a surge
            self._burst = BurstState(surge=before.surge, totals=before.surges) if before else BurstState()
        base = _base(before, workers)
        stays = Target(workers=before.workers if before else workers, base=base, health=before.health if before else "")
        if "draining" in depths.limits and not depths.load and not depths.scheduled:
            return self._wanted(fleet, Target(0, reason="it is drained, and nothing is left", health="idle", base=0))
        if len(paused) == len(PRIORITIES):
            return self._wanted(fleet, msgspec.structs.replace(stays, reason="its queues are paused"))
        flow = self._memory.look(fleet.now_ms, depths, reports)
        if flow is None:
            return self._wanted(fleet, msgspec.structs.replace(stays, reason="the first look at this pool"))
        try:
            rules = _rules(fleet, reports)
        except InvalidOption as error:
            return self._wanted(fleet, msgspec.structs.replace(stays, reason=str(error), health="degraded"))
        known = sum(one.workers + one.draining for one in reports.values())
        self._strange = self._strange + 1 if depths.workers > known else 0
        stale = depths.workers - known if self._strange >= STRANGE_LOOKS else 0
        return self._decided(fleet, rules, _sample(fleet.now_ms, flow, backlog, oldest_ms, reports), flow, base, stale)

    def _decided(  # noqa: PLR0917
        self, fleet: Fleet, rules: ScalingRules, sample: Sample, flow: Flow, base: int, stale: int
    ) -> Wanted:
        assert self._burst is not None  # noqa: S101 - decide saw to it
        reports, order = fleet.pool(self._domain), fleet.orders.get(self._domain, Order())
        if order.moved and order.moved_ms > self._moved_ms:
            if self._moved_ms:  # one that came before we led has had its effect
                base = max(rules.least, min(rules.most, base + order.moved))
            self._moved_ms = order.moved_ms
        self._moved_ms = self._moved_ms or 1
        broken = sum(one.broken for one in reports.values())
        decision = decide(rules, self._state, sample, base)
        self._state = decision.state
        size, reason = decision.workers, decision.reason
        surge = burst.decide(
            self._bursts,
            self._burst,
            sample,
            run_s=decision.state.mean_run_s,
            base=size,
            most=rules.most,
            completed=flow.completed,
            stopped_s=order.stopped_ms / 1_000 if order.stopped_ms else None,
        )
        self._burst, extra = surge.state, surge.extra
        if broken and size + extra > base:
            reason = f"{broken} of {sample.workers} breakers are open, so it does not grow ({reason})"
            size, extra = min(size, base), 0
        if surge.reason:
            reason = f"{reason}; {surge.reason}"
        target = Target(
            workers=size + extra,
            reason=reason,
            utilisation=round(decision.utilisation, 4),
            health=health(rules, sample, decision.utilisation, broken, stale),
            base=size,
            surge=surge.state.surge,
            surges=surge.state.totals,
        )
        before = fleet.targets.get(self._domain)
        has = min(before.workers, rules.most) if before else base
        share = Share(has, target.workers, rules.least, rules.most, decision.utilisation)
        return self._wanted(fleet, target, share, surge.ended)

    def _wanted(self, fleet: Fleet, target: Target, share: Share | None = None, ended: Surge | None = None) -> Wanted:
        order = fleet.orders.get(self._domain, Order())
        reports = fleet.pool(self._domain).values()
        if order.workers is not None:
            target = msgspec.structs.replace(
                target,
                workers=order.workers,
                reason=f"{order.workers} workers were ordered ({target.reason})",
                mode="manual",
                base=order.workers,
            )
        fixed = bool(reports) and all(one.fixed for one in reports)
        if self._burst is not None and target.surge is None and not ended:
            target = msgspec.structs.replace(target, surge=self._burst.surge, surges=self._burst.totals)
        target = msgspec.structs.replace(target, depths=self._depths, at_ms=fleet.now_ms)
        return Wanted(target, None if order.workers is not None or fixed else share, ended)


def _base(before: Target | None, workers: int) -> int:
    if before is None:
        return workers
    return before.workers if before.base is None else before.base


def _sample(now_ms: int, flow: Flow, backlog: int, oldest_ms: int | None, reports: dict[str, PoolReport]) -> Sample:
    return Sample(
        at_s=now_ms / 1_000,
        seconds=flow.seconds,
        arrivals=flow.arrivals,
        attempts=flow.attempts,
        busy_s=flow.busy_s,
        slot_s=flow.slot_s,
        backlog=backlog,
        oldest_s=0.0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1_000,
        workers=sum(one.workers for one in reports.values()),
        slots=max((one.slots for one in reports.values()), default=1),
    )


def _rules(fleet: Fleet, reports: dict[str, PoolReport]) -> ScalingRules:
    """What supervisors say; they may differ during a deploy: then the wider bounds hold, and the last one's rest."""
    says = fleet.reports[max(reports)].scaling if reports else ScalingRules()
    return ScalingRules(
        least=min((one.least for one in reports.values()), default=0),
        most=max((one.most for one in reports.values()), default=1),
        target=says.target,
        up_above=says.up_above,
        down_below=says.down_below,
        target_wait_s=says.target_wait_s,
        drain_within_s=says.drain_within_s,
        stabilisation_s=says.stabilisation_s,
    )
