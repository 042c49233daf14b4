"""One pool, as the leader sees it: what it saw last, and what it makes of what it sees now."""

from __future__ import annotations

from typing import Final

from heijunka.commands import Depths, Fleet, PoolReport, Target
from heijunka.coordinator.memory import Memory
from heijunka.errors import InvalidOption
from heijunka.keys import PRIORITIES
from heijunka.policies.health import health
from heijunka.policies.scaling import Sample, ScalingRules, State, decide

DEPTHS: Final = 10
"""How many looks back the queue's depth is kept."""


class Pool:
    """What the leader remembers of one pool.

    Parameters:
        domain: whose jobs it runs.
    """

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._memory, self._state = Memory(), State()
        self._depths: tuple[int, ...] = ()

    def decide(self, fleet: Fleet, depths: Depths, oldest_ms: int | None) -> Target:
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
        wanted = before.workers if before else workers
        if "draining" in depths.limits and not depths.load and not depths.scheduled:
            return self._target(fleet, 0, "it is drained, and nothing is left", 0.0, "idle")
        if len(paused) == len(PRIORITIES):
            return self._target(fleet, wanted, "its queues are paused", 0.0, before.health if before else "")
        flow = self._memory.look(fleet.now_ms, depths, reports)
        if flow is None:
            return self._target(fleet, wanted, "the first look at this pool", 0.0, before.health if before else "")
        sample = Sample(
            at_s=fleet.now_ms / 1_000,
            seconds=flow.seconds,
            arrivals=flow.arrivals,
            attempts=flow.attempts,
            busy_s=flow.busy_s,
            slot_s=flow.slot_s,
            backlog=backlog,
            oldest_s=0.0 if oldest_ms is None else max(0, fleet.now_ms - oldest_ms) / 1_000,
            workers=workers,
            slots=max((one.slots for one in reports.values()), default=1),
        )
        try:
            rules = _rules(reports)
        except InvalidOption as error:
            return self._target(fleet, wanted, str(error), 0.0, "degraded")
        decision = decide(rules, self._state, sample, wanted)
        self._state = decision.state
        word = health(rules, sample, decision.utilisation)
        return self._target(fleet, decision.workers, decision.reason, decision.utilisation, word)

    def _target(self, fleet: Fleet, workers: int, reason: str, utilisation: float, word: str) -> Target:
        order = fleet.orders.get(self._domain)
        if order is not None:
            reason = f"{order.workers} workers were ordered ({reason})"
        return Target(
            workers=workers if order is None else order.workers,
            reason=reason,
            mode="auto" if order is None else "manual",
            utilisation=round(utilisation, 4),
            health=word,
            depths=self._depths,
            at_ms=fleet.now_ms,
        )


def _rules(reports: dict[str, PoolReport]) -> ScalingRules:
    """What supervisors say; they may differ during a deploy, and then the wider bounds hold."""
    return ScalingRules(
        least=min((one.least for one in reports.values()), default=0),
        most=max((one.most for one in reports.values()), default=1),
    )
