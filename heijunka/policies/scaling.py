"""How many workers a pool should have.

Little's law says how many slots are busy on average: arrivals times mean run time. Divided by the utilisation that
is aimed at, and with what drains the backlog in time, that is how many there should be. A pool grows at once and
shrinks late: an average over a few seconds may say that more are needed, but only the most that was needed within the
stabilisation window says that fewer are enough. Because it never shrinks below what its load needs at 70 %, and grows
only above 80 %, a constant load makes it change its direction at most once.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from heijunka.errors import InvalidOption

STAFFING: Final = 2.0
"""Standard deviations of demand that a large pool keeps free: with Poisson arrivals about 2 % of the jobs then wait
(square-root staffing; Halfin and Whitt, Operations Research 29, 1981)."""

LONGEST_GAP_S: Final = 60.0
"""A sample that covers more than this says nothing about now."""


class ScalingRules(msgspec.Struct, frozen=True):
    """What a pool is held to.

    Attributes:
        least, most: bounds of the number of workers.
        target: the utilisation that is aimed at, above 0 and below 1.
        up_above: the utilisation above which the pool grows.
        down_below: the utilisation below which it may shrink.
        drain_within_s: how long it may take to work off what waits, in seconds.
        target_wait_s: how long a job may be expected to wait, in seconds; 0 for any time.
        window_s: what is averaged over to see that more are needed, in seconds.
        stabilisation_s: how long fewer must have been enough, in seconds.
        step_down: the share of the pool that goes at a time, at least one worker.

    Raises:
        InvalidOption: they contradict each other.
    """

    least: int = 2
    most: int = 50
    target: float = 0.70
    up_above: float = 0.80
    down_below: float = 0.50
    drain_within_s: float = 10.0
    target_wait_s: float = 0.0
    window_s: float = 2.0
    stabilisation_s: float = 60.0
    step_down: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most or self.most < 1:
            raise InvalidOption(
                f"min_workers {self.least} and max_workers {self.most} leave no size for a pool",
                hint="min_workers may be from 0 to max_workers, and max_workers is 1 at least",
                option="min_workers",
            )
        if not 0 < self.down_below < self.target < self.up_above <= 1:
            raise InvalidOption(
                f"thresholds {self.down_below}, {self.target}, {self.up_above} are not in order",
                hint="down_below, target and up_above rise, above 0 and up to 1",
                option="target",
            )
        for name in ("drain_within_s", "window_s", "stabilisation_s", "step_down"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} {getattr(self, name)!r} is not above 0", option=name)


class Sample(msgspec.Struct, frozen=True):
    """What was seen of a pool since the last sample.

    Attributes:
        at_s: when, in seconds.
        seconds: since the last one.
        arrivals: jobs that came, refused ones included: shedding must not hide the need to grow.
        attempts: attempts that ended.
        busy_s: slot-seconds in which attempts ran.
        slot_s: slot-seconds that there were.
        backlog: jobs that wait now.
        oldest_s: how long the oldest of them has waited, in seconds.
        workers: that the pool has now.
        slots: of each worker.
    """

    at_s: float
    seconds: float
    arrivals: float
    attempts: float
    busy_s: float
    slot_s: float
    backlog: float
    oldest_s: float
    workers: int
    slots: int = 1


class State(msgspec.Struct, frozen=True):
    """What is remembered between decisions.

    Attributes:
        recent: samples of the last window.
        needed: what was needed when, of the stabilisation window, ever fewer.
        mean_run_s: mean run time of an attempt, in seconds; None while none has ended.
        since_s: when the first sample came.
    """

    recent: tuple[Sample, ...] = ()
    needed: tuple[tuple[float, int], ...] = ()
    mean_run_s: float | None = None
    since_s: float | None = None


class Decision(msgspec.Struct, frozen=True):
    """How many workers there should be, and why.

    Attributes:
        workers: that there should be.
        reason: in words and numbers.
        utilisation: of the window, 0 to 1.
        state: for the next decision.
    """

    workers: int
    reason: str
    utilisation: float
    state: State


def decide(rules: ScalingRules, state: State, sample: Sample, target: int) -> Decision:
    """How many workers a pool should have.

    Parameters:
        rules: what it is held to.
        state: that the last decision returned; `State()` at first.
        sample: what was seen since.
        target: workers that it was to have by the last decision.

    Example:
        >>> seen = Sample(1.0, 1.0, 100, 20, busy_s=2.0, slot_s=2.0, backlog=80, oldest_s=0.8, workers=2)
        >>> decision = decide(ScalingRules(), State(), seen, 2)
        >>> decision.workers, decision.reason
        (16, '100.0 jobs/s of 100 ms, 80 waiting: 16 workers keep 70 %')
    """
    clock = _clock(state, sample)
    if clock:
        return Decision(_within(rules, target), clock, 0.0, State(since_s=sample.at_s, mean_run_s=state.mean_run_s))
    recent = (*(one for one in state.recent if one.at_s > sample.at_s - rules.window_s), sample)
    busy_s, slot_s = sum(one.busy_s for one in recent), sum(one.slot_s for one in recent)
    attempts, seconds = sum(one.attempts for one in recent), sum(one.seconds for one in recent)
    utilisation = max(0.0, min(1.0, busy_s / slot_s)) if slot_s > 0 else 0.0
    run_s = _mean_run_s(state.mean_run_s, busy_s, attempts)
    rate = sum(one.arrivals for one in recent) / seconds
    busy = math.ceil(round(max(0.0, busy_s / seconds) / rules.target / sample.slots, 6))
    if run_s is None:
        needed, why = _unknown(sample, utilisation, target, busy), "no attempt has ended yet"
    else:
        needed = _needed(rules, rate * run_s, sample.backlog * run_s, sample.slots)
        why = f"{rate:.1f} jobs/s of {_spelled(run_s)}, {sample.backlog:,.0f} waiting"
    bounded, enough = _within(rules, needed), _within(rules, max(needed, busy))  # long jobs need who runs them
    since = sample.at_s - rules.stabilisation_s
    history = (*((at, size) for at, size in state.needed if size > enough and at > since), (sample.at_s, enough))
    since_s = sample.at_s if state.since_s is None else state.since_s
    workers, reason = _sized(rules, sample, target, bounded, history, utilisation, since_s)
    if needed > rules.most and workers == rules.most:
        reason = f"{needed} workers would be needed, max_workers is {rules.most}"
    return Decision(workers, f"{why}: {reason}", utilisation, State(recent, history, run_s, since_s))


def _sized(  # noqa: PLR0917
    rules: ScalingRules,
    sample: Sample,
    target: int,
    needed: int,
    history: tuple[tuple[float, int], ...],
    utilisation: float,
    since_s: float,
) -> tuple[int, str]:
    within = _within(rules, target)
    if within != target:
        return within, f"the pool may have {rules.least} to {rules.most} workers"
    if needed > target and (_grows(rules, needed, target) or utilisation > rules.up_above or _late(rules, sample)):
        return needed, f"{needed} workers keep {rules.target:.0%}".replace("%", " %")
    enough = max(size for _, size in history)
    steady = sample.at_s - since_s >= rules.stabilisation_s
    if enough < target and utilisation < rules.down_below and steady:
        step = max(1, math.floor(target * rules.step_down))
        return max(enough, target - step), f"{enough} workers were enough for {rules.stabilisation_s:.0f} s"
    return target, f"{utilisation:.0%} busy".replace("%", " %")


def _grows(rules: ScalingRules, needed: int, target: int) -> bool:
    """Whether demand alone would take the pool above the threshold: what keeps 70 % there is 80/70 of what there is."""
    return needed * rules.target > target * rules.up_above


def _late(rules: ScalingRules, sample: Sample) -> bool:
    return rules.target_wait_s > 0 and sample.oldest_s > rules.target_wait_s


def _needed(rules: ScalingRules, demand: float, work_s: float, slots: int) -> int:
    """Workers for a demand (slots busy on average) and a backlog (slot-seconds)."""
    headroom = min(demand / rules.target, demand + STAFFING * math.sqrt(demand))
    return math.ceil(round((headroom + work_s / rules.drain_within_s) / slots, 6))


def _unknown(sample: Sample, utilisation: float, target: int, busy: int) -> int:
    """While no attempt has ended nobody knows how long one runs: a pool that is full and has a backlog doubles."""
    if not sample.backlog:
        return busy
    if not target:
        return 1
    return target + min(target, math.ceil(sample.backlog / sample.slots)) if utilisation > 0.99 else target


def _mean_run_s(before: float | None, busy_s: float, attempts: float) -> float | None:
    if attempts < 1:
        return before
    fresh = busy_s / attempts
    return fresh if before is None else before + 0.5 * (fresh - before)


def _clock(state: State, sample: Sample) -> str:
    if sample.seconds <= 0 or (state.recent and sample.at_s <= state.recent[-1].at_s):
        return "the clock went back: nothing is decided"
    if sample.seconds > LONGEST_GAP_S:
        return f"nothing was seen for {sample.seconds:.0f} s: nothing is decided"
    return ""


def _within(rules: ScalingRules, workers: int) -> int:
    return max(rules.least, min(rules.most, workers))


def _spelled(run_s: float) -> str:
    return (
        f"{run_s * 1_000:.0f} ms" if 0.001 <= run_s < 1 else f"{run_s * 1e6:.0f} µs" if run_s < 1 else f"{run_s:.1f} s"
    )
