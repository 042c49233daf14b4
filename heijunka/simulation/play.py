"""Play a trace against a pool, second by second, as a fluid: jobs are divisible, and arrive evenly within a second.

A worker that is ordered runs after its start-up time; one that is not needed any more is gone at once, for what it runs
is short. What waits is served first come first served: a job that arrives when `q` jobs wait for a pool that ends `c`
of them a second waits `q / c` seconds. With a coefficient of variation of the run times the waits that chance makes are
added (Poisson arrivals): a job waits with the probability of Erlang's C formula, then exponentially long with the mean
of Allen and Cunneen (A. O. Allen, Probability, Statistics, and Queueing Theory, 1990).
"""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from heijunka.errors import InvalidOption
from heijunka.policies.scaling import ScalingRules
from heijunka.simulation.rulers import Ruler, Seen
from heijunka.simulation.trace import Trace

WAITS_S: Final = (0.0, *(0.001 * 10 ** (step / 20) for step in range(141)))
"""Upper ends of the buckets in which waits are counted: 0, then 1 ms to 10,000 s, twenty to a decade."""

LONG_S: Final = 0.1
"""Jobs that wait for longer than this are counted by themselves."""


class Model(msgspec.Struct, frozen=True):
    """What a simulated pool is.

    Attributes:
        run_s: mean run time of a job, in seconds.
        start_s: how long a worker takes to start, in whole seconds.
        slots: of each worker.
        hard: load at which jobs are refused; None for never.
        cv: coefficient of variation of the run times, with which chance makes jobs wait; None for no chance at all.
    """

    run_s: float = 0.1
    start_s: int = 1
    slots: int = 1
    hard: int | None = None
    cv: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("run", self.run_s), ("slots", self.slots)):
            if not 0 < value < math.inf:
                raise InvalidOption(f"{name} {value!r} is not above 0", option=name)
        if self.start_s < 0:
            raise InvalidOption(f"start {self.start_s} is below 0", option="start")
        if self.hard is not None and self.hard < 1:
            raise InvalidOption(f"hard {self.hard} is below 1", option="hard")
        if self.cv is not None and not 0 <= self.cv < math.inf:
            raise InvalidOption(f"cv {self.cv!r} is not 0 or more", option="cv")


class Outcome(msgspec.Struct, frozen=True):
    """What came of a trace.

    Attributes:
        jobs: that arrived.
        refused: share of them that were refused.
        waited: share of those accepted that waited for longer than 0.1 s.
        p50_s, p99_s: waits that 50 % and 99 % of those accepted do not exceed, in seconds.
        worker_hours: that the pool cost, workers that start included.
        oracle_hours: what a clairvoyant pays that has at every moment the fewest whole workers that let nobody wait,
            within the pool's bounds.
        utilisation: busy to all slot-seconds.
        events: changes of the pool's size.
        seconds: played.
        took_s: how long that took.
        workers: the pool's size at the end of each bin.
        waits: the longest wait in each bin, in seconds.
    """

    jobs: float
    refused: float
    waited: float
    p50_s: float
    p99_s: float
    worker_hours: float
    oracle_hours: float
    utilisation: float
    events: int
    seconds: int
    took_s: float
    workers: tuple[int, ...]
    waits: tuple[float, ...]

    @property
    def over_oracle(self) -> float:
        """Worker-hours to those of the oracle."""
        return self.worker_hours / self.oracle_hours if self.oracle_hours else math.inf


class Pool:
    """A pool as a fluid.

    Parameters:
        model: what it is.
        rules: how many workers it may have.
    """

    def __init__(self, model: Model, rules: ScalingRules) -> None:
        self._model, self._rules = model, rules
        self.workers = self.running = max(1, rules.least) if rules.most else 0
        self._starting: list[tuple[int, int]] = []
        self.waiting = self.busy_s = self.slot_s = self.worker_s = self.refused = 0.0
        self.events = 0

    def second(self, at_s: int, arrivals: float) -> tuple[Seen, float, float]:
        """One second: what is seen of it, how many jobs were accepted, and how long they wait."""
        model = self._model
        while self._starting and self._starting[0][0] <= at_s:
            self.running += self._starting.pop(0)[1]
        slots = self.running * model.slots
        capacity = slots / model.run_s
        accepted = arrivals
        if model.hard is not None:
            accepted = max(0.0, min(arrivals, model.hard - self.waiting + capacity - min(self.waiting, slots)))
            self.refused += arrivals - accepted
        wait_s = self.waiting / capacity if capacity else (math.inf if self.waiting else 0.0)
        there = self.waiting + accepted
        served = min(there, capacity)
        self.waiting = there - served
        busy = served * model.run_s
        self.busy_s += busy
        self.slot_s += slots
        self.worker_s += self.workers
        oldest_s = self.waiting / capacity if capacity else wait_s
        seen = Seen(
            at_s, self.workers, self.running, model.slots, arrivals, served, busy, self.waiting, min(oldest_s, 1e9)
        )
        return seen, accepted, wait_s

    def resize(self, at_s: int, wanted: int) -> None:
        """Order or let go of workers; those that start go first."""
        wanted = max(self._rules.least, min(self._rules.most, wanted))
        if wanted == self.workers:
            return
        self.events += 1
        more = wanted - self.workers
        self.workers = wanted
        if more > 0:
            self._starting.append((at_s + 1 + self._model.start_s, more))
            return
        while more < 0 and self._starting:
            ready_s, count = self._starting.pop()
            if count + more > 0:
                self._starting.append((ready_s, count + more))
            more = min(0, count + more)
        self.running += more


def play(
    trace: Trace, ruler: Ruler, model: Model, rules: ScalingRules, told: Callable[[int], None] | None = None
) -> Outcome:
    """Play a trace.

    Parameters:
        trace: what arrives.
        ruler: decides the pool's size.
        model: what the pool is.
        rules: what bounds it.
        told: told of each bin that was played.

    Example:
        >>> from heijunka.simulation import Levelled, shape
        >>> rules = ScalingRules()
        >>> played = play(shape("constant", peak=100.0), Levelled(rules), Model(run_s=0.1), rules)
        >>> played.workers[-1], round(played.utilisation, 2), played.events
        (16, 0.63, 1)
    """
    began = time.perf_counter()
    pool, buckets = Pool(model, rules), [0.0] * (len(WAITS_S) + 1)
    jobs = accepted_all = waited = oracle_s = 0.0
    sizes, longest, at_s = [], [], 0
    for number, rate in enumerate(trace.rates):
        oracle_s += trace.bin_s * _fewest(rate, model, rules)
        worst_s = 0.0
        for _ in range(trace.bin_s):
            seen, accepted, wait_s = pool.second(at_s, rate)
            jobs += rate
            accepted_all += accepted
            worst_s = max(worst_s, wait_s)
            if wait_s > 0 or model.cv is None:
                buckets[bisect.bisect_left(WAITS_S, wait_s)] += accepted
                waited += accepted if wait_s > LONG_S else 0.0
            else:
                spread, long = by_chance(seen.running * model.slots, round(seen.busy, 2), model.run_s, model.cv)
                waited += accepted * long
                for bucket, share in spread:
                    buckets[bucket] += accepted * share
            pool.resize(at_s, ruler(seen))
            at_s += 1
        sizes.append(pool.workers)
        longest.append(min(worst_s, 1e9))
        if told:
            told(number)
    return Outcome(
        jobs,
        pool.refused / jobs if jobs else 0.0,
        waited / accepted_all if accepted_all else 0.0,
        _quantile(buckets, 0.50),
        _quantile(buckets, 0.99),
        pool.worker_s / 3_600,
        oracle_s / 3_600,
        pool.busy_s / pool.slot_s if pool.slot_s else 0.0,
        pool.events,
        at_s,
        time.perf_counter() - began,
        tuple(sizes),
        tuple(longest),
    )


def peak_workers(trace: Trace, model: Model, rules: ScalingRules) -> int:
    """Workers that the highest rate needs at the utilisation that is aimed at, within bounds."""
    needed = math.ceil(max(trace.rates) * model.run_s / model.slots / rules.target - 1e-9)
    return max(rules.least, min(rules.most, needed))


def _fewest(rate: float, model: Model, rules: ScalingRules) -> int:
    needed = math.ceil(rate * model.run_s / model.slots - 1e-9)
    return max(rules.least, min(rules.most, needed))


def _quantile(buckets: list[float], share: float) -> float:
    """The upper end of the bucket in which that share of all is reached."""
    left = share * sum(buckets)
    for bucket, number in enumerate(buckets):
        left -= number
        if left <= 1e-9:
            return WAITS_S[bucket] if bucket < len(WAITS_S) else math.inf
    return 0.0


@lru_cache(maxsize=65_536)
def by_chance(slots: int, busy: float, run_s: float, cv: float) -> tuple[tuple[tuple[int, float], ...], float]:
    """How long jobs wait by chance when `busy` of `slots` are busy: shares by bucket, and that above 0.1 s."""
    if slots <= busy:
        return ((len(WAITS_S), 1.0),), 1.0
    waits = erlang_c(slots, busy)
    mean_s = run_s / (slots - busy) * (1 + cv * cv) / 2
    spread, before = [(0, 1.0 - waits)], 0.0
    if waits <= 0 or mean_s <= 0:
        return ((0, 1.0),), 0.0
    for bucket, upper in enumerate(WAITS_S[1:], 1):
        below = 1.0 - math.exp(-upper / mean_s)
        if below - before > 1e-6:
            spread.append((bucket, waits * (below - before)))
        before = below
    return tuple(spread), waits * math.exp(-LONG_S / mean_s)


def erlang_c(slots: int, busy: float) -> float:
    """The probability that a job waits: Erlang's C formula, by the recursion of his B formula.

    Parameters:
        slots: that there are.
        busy: that are busy on average, below `slots`.

    Example:
        >>> round(erlang_c(1, 0.7), 6), round(erlang_c(10, 7.0), 4)
        (0.7, 0.2217)
    """
    blocked = 1.0
    for count in range(1, slots + 1):
        blocked = busy * blocked / (count + busy * blocked)
    share = busy / slots
    return blocked / (1 - share * (1 - blocked))
