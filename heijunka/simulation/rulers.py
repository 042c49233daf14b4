"""Who decides the size of a simulated pool: Heijunka's policies, or published rules of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from heijunka.policies import burst
from heijunka.policies.burst import BurstRules, BurstState
from heijunka.policies.scaling import Sample, ScalingRules, State, decide


class Seen(msgspec.Struct):
    """What a ruler is shown after each second.

    Attributes:
        at_s: when, in seconds.
        workers: that the pool has, those that start included.
        running: of these, those that have started.
        slots: of each worker.
        arrivals: jobs that came in this second, refused ones included.
        served: jobs that were run.
        busy: slots that were busy, on average.
        waiting: jobs that wait.
        oldest_s: how long the oldest of them has waited, in seconds.
    """

    at_s: int
    workers: int
    running: int
    slots: int
    arrivals: float
    served: float
    busy: float
    waiting: float
    oldest_s: float


class Ruler(Protocol):
    """Decides how many workers there should be."""

    def __call__(self, seen: Seen) -> int:
        """Workers that there should be, from what was seen in the last second."""
        ...


class Levelled:
    """Heijunka: `policies.scaling` and `policies.burst`, as the coordinator runs them each second.

    Parameters:
        rules: what the pool is held to.
        bursts: when it gets a surge; None for no surges.
    """

    def __init__(self, rules: ScalingRules, bursts: BurstRules | None = None) -> None:
        self._rules, self._bursts = rules, bursts
        self._state, self._burst = State(), BurstState()
        self._base: int | None = None

    def __call__(self, seen: Seen) -> int:
        """What the policies decide."""
        sample = Sample(
            float(seen.at_s + 1),
            1.0,
            seen.arrivals,
            seen.served,
            seen.busy,
            float(seen.running * seen.slots),
            seen.waiting,
            seen.oldest_s,
            seen.workers,
            seen.slots,
        )
        decision = decide(self._rules, self._state, sample, seen.workers if self._base is None else self._base)
        self._state, self._base = decision.state, decision.workers
        if self._bursts is None:
            return decision.workers
        surge = burst.decide(
            self._bursts,
            self._burst,
            sample,
            run_s=decision.state.mean_run_s,
            base=decision.workers,
            most=self._rules.most,
            completed=seen.served,
        )
        self._burst = surge.state
        return decision.workers + surge.extra

    @property
    def surges(self) -> burst.Totals:
        """What surges have come to."""
        return self._burst.totals


class Static:
    """Always the same: what the peak needs at the target.

    Parameters:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def __call__(self, seen: Seen) -> int:  # noqa: ARG002
        """Always the same."""
        return self._workers


class CeleryAutoscale:
    """Celery's `--autoscale`: as many processes as jobs are reserved, at once; fewer after 30 s without growth.

    What is reserved is what runs and what was prefetched, four for each process. Source: celery/worker/autoscale.py and
    the settings `worker_prefetch_multiplier` and AUTOSCALE_KEEPALIVE, Celery 5.
    """

    PREFETCH: Final = 4
    KEEP_ALIVE_S: Final = 30

    def __init__(self) -> None:
        self._grew_s: int | None = None

    def __call__(self, seen: Seen) -> int:
        """As many processes as jobs are reserved."""
        reserved = math.ceil(min(seen.busy + seen.waiting, seen.workers * seen.slots * self.PREFETCH) - 1e-9)
        wanted = math.ceil(reserved / seen.slots)
        if wanted > seen.workers:
            self._grew_s = seen.at_s
            return wanted
        if wanted < seen.workers and self._grew_s is not None and seen.at_s - self._grew_s > self.KEEP_ALIVE_S:
            return wanted
        return seen.workers


class QueueLengthHpa:
    """A Kubernetes HPA on queue length, one job in the system for each slot, with the defaults of autoscaling/v2.

    Looks every 15 s, tolerates 10 %, at most doubles or adds 4 per look, and shrinks to the most that was wanted
    within 300 s. Source: the Kubernetes documentation, "Horizontal Pod Autoscaling".
    """

    LOOKS_S: Final = 15
    TOLERANCE: Final = 0.1
    STABILISATION_S: Final = 300

    def __init__(self) -> None:
        self._wanted: list[tuple[int, int]] = []

    def __call__(self, seen: Seen) -> int:
        """As many as there are jobs, every 15 s."""
        if seen.at_s % self.LOOKS_S:
            return seen.workers
        jobs, workers = seen.busy + seen.waiting, seen.workers
        ratio = jobs / max(1, workers * seen.slots)
        wanted = workers if abs(ratio - 1) <= self.TOLERANCE else math.ceil(jobs / seen.slots - 1e-9)
        since = seen.at_s - self.STABILISATION_S
        self._wanted = [*((at, size) for at, size in self._wanted if at > since), (seen.at_s, wanted)]
        if wanted > workers:
            return min(wanted, max(2 * workers, workers + 4))
        return min(workers, max(size for _, size in self._wanted))


RULERS: Final[Mapping[str, Callable[[ScalingRules, int], Ruler]]] = {
    "static": lambda _, peak: Static(peak),
    "celery": lambda _, __: CeleryAutoscale(),
    "hpa": lambda _, __: QueueLengthHpa(),
}
"""Others' rules by name; each is made from what bounds the pool and the workers that its peak needs."""
