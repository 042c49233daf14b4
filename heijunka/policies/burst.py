"""When a pool gets a surge: more workers for a while, beyond what its size follows from, and what they cost.

A burst is many times the usual arrivals, or a rise that would fill the pool before a worker could be started. The
second counts because a pool at 70 % is full at 1.43 times its load, long before ten times. A surge goes on while its
cause does, ends early when the pool without it would do, and never lifts a pool above what it may have.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from heijunka.errors import InvalidOption
from heijunka.policies.scaling import Sample

SIGMAS: Final = 4.0
"""Arrivals by chance (Poisson) stay below the mean and this many standard deviations in all but 1 of 30,000 looks."""

FEWEST: Final = 10
"""Jobs in one look that may be a burst; fewer are chance, whatever they are a multiple of."""

CALM_BACKLOG_S: Final = 1.0
"""A backlog that the pool works off within this does not keep a surge up."""

DAY_S: Final = 86_400.0


class BurstRules(msgspec.Struct, frozen=True):
    """When a pool gets a surge, and how much of one.

    Attributes:
        factor: how many times the baseline is a burst, above 1.
        baseline_s: what is averaged over to know the usual arrivals, in seconds. No verdict before so much was seen.
        workers: that a surge adds; 0 for no surges.
        lasts_s: how long it lasts, in seconds.
        start_s: how long a worker takes to start, in seconds.
        target: the utilisation that pools aim at.
        calm_s: how long its cause must have been gone for a surge to end early, in seconds.
        cost_per_worker_hour: in any currency.
        budget_per_day: what surges of the pool may cost a day (UTC), in the same currency; None for any sum.

    Raises:
        InvalidOption: a value is out of its range.
    """

    factor: float = 10.0
    baseline_s: float = 60.0
    workers: int = 5
    lasts_s: float = 300.0
    start_s: float = 1.0
    target: float = 0.70
    calm_s: float = 30.0
    cost_per_worker_hour: float = 0.0
    budget_per_day: float | None = None

    def __post_init__(self) -> None:
        if not 1 < self.factor < math.inf:
            raise InvalidOption(f"burst factor {self.factor!r} is not above 1", option="burst_factor")
        for name in ("baseline_s", "lasts_s", "start_s", "calm_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} {getattr(self, name)!r} is not above 0", option=name)
        if self.workers < 0:
            raise InvalidOption(f"surge_workers {self.workers} is below 0", option="surge_workers")
        if not 0 < self.target < 1:
            raise InvalidOption(f"target {self.target!r} is not between 0 and 1", option="target")
        for name, value in (("cost_per_worker_hour", self.cost_per_worker_hour), ("budget", self.budget_per_day)):
            if value is not None and not 0 <= value < math.inf:
                raise InvalidOption(f"surge_{name} {value!r} is not 0 or more", option=f"surge_{name}")


class Surge(msgspec.Struct, frozen=True, omit_defaults=True):
    """One surge, and what has come of it.

    Attributes:
        began_s: when, in seconds.
        until_s: when it ends, unless its cause goes on; in seconds.
        baseline: the usual arrivals when it began, in jobs per second.
        cause: why it began, in words and numbers.
        peak: the most arrivals seen, as a multiple of the baseline.
        workers: that it adds now.
        worker_s: what its workers have cost, in worker-seconds.
        served: jobs that were served by its workers: what was completed, by their share of the pool.
        avoided_s: waiting that it avoided, in job-seconds: the backlog that there would be without its workers, less
            the one that there is, summed over time.
        shadow: the backlog that there would be without its workers.
        calm_s: since when its cause is gone; None while it is there.
        ended_s: when it ended; 0 while it has not.
        ending: why it ended.
    """

    began_s: float
    until_s: float
    baseline: float
    cause: str
    peak: float
    workers: int = 0
    worker_s: float = 0.0
    served: float = 0.0
    avoided_s: float = 0.0
    shadow: float = 0.0
    calm_s: float | None = None
    ended_s: float = 0.0
    ending: str = ""


class Totals(msgspec.Struct, frozen=True, omit_defaults=True):
    """What all surges of a pool have come to.

    Attributes:
        surges: how many there were.
        worker_s: worker-seconds.
        cost: what they cost.
        served: jobs that were served by their workers.
        avoided_s: waiting that they avoided, in job-seconds.
        day: the day (UTC, since the epoch) that `spent` is of.
        spent: what surges cost on that day.
    """

    surges: int = 0
    worker_s: float = 0.0
    cost: float = 0.0
    served: float = 0.0
    avoided_s: float = 0.0
    day: int = 0
    spent: float = 0.0


class BurstState(msgspec.Struct, frozen=True):
    """What is remembered between decisions.

    Attributes:
        recent: seconds and arrivals of the looks that the baseline is of, the oldest first.
        seconds, arrivals: their sums.
        rate: arrivals at the last look, in jobs per second.
        surge: the one that is on.
        totals: of all surges.
        stopped_s: when somebody stopped one; none begins before the time that it would have lasted is over.
    """

    recent: tuple[tuple[float, float], ...] = ()
    seconds: float = 0.0
    arrivals: float = 0.0
    rate: float = 0.0
    surge: Surge | None = None
    totals: Totals = Totals()
    stopped_s: float | None = None


class BurstDecision(msgspec.Struct, frozen=True):
    """Whether there is a surge.

    Attributes:
        extra: workers that it adds.
        reason: why it began, goes on or ended, in words and numbers; "" when there is none.
        state: for the next decision.
        ended: the surge that ended now.
    """

    extra: int
    reason: str
    state: BurstState
    ended: Surge | None = None


def decide(
    rules: BurstRules,
    state: BurstState,
    sample: Sample,
    *,
    run_s: float | None,
    base: int,
    most: int,
    completed: float = 0.0,
    stopped_s: float | None = None,
) -> BurstDecision:
    """Whether a pool needs a surge.

    Parameters:
        rules: when it does.
        state: that the last decision returned; `BurstState()` at first.
        sample: what was seen since.
        run_s: mean run time of an attempt, in seconds; None while nobody knows.
        base: workers that the pool should have without a surge.
        most: workers that it may have.
        completed: jobs that came to their end since.
        stopped_s: when somebody stopped surges of this pool last; None for never.

    Example:
        >>> state = BurstState(((60.0, 600.0),), 60.0, 600.0, 10.0)
        >>> seen = Sample(61.0, 1.0, 120, 10, busy_s=1.0, slot_s=2.0, backlog=110, oldest_s=1.0, workers=2)
        >>> decide(BurstRules(), state, seen, run_s=0.1, base=16, most=50).reason
        'burst: 120.0 jobs/s are 12.0 times the baseline of 10.0 jobs/s: 5 workers more'
    """
    if sample.seconds <= 0:
        return BurstDecision(state.surge.workers if state.surge else 0, "", state)
    rate = sample.arrivals / sample.seconds
    totals = _today(state.totals, sample.at_s)
    stopped_s = max((at for at in (stopped_s, state.stopped_s) if at is not None), default=None)
    surge, ended, reason = state.surge, None, ""
    if surge is not None:
        surge, totals = _carried(rules, surge, totals, sample, run_s, completed)
        surge, ending = _ended(rules, surge, totals, rate, sample, run_s=run_s, base=base, stopped_s=stopped_s)
        if ending:
            ended, surge = msgspec.structs.replace(surge, ended_s=sample.at_s, ending=ending, workers=0), None
            reason = f"the surge ended after {sample.at_s - ended.began_s:.0f} s: {ending}"
    elif (cause := _cause(rules, state, rate, sample, run_s)) and _may(rules, totals, sample.at_s, stopped_s):
        baseline = state.arrivals / state.seconds
        ratio = rate / baseline if baseline > 0 else 0.0
        surge = Surge(sample.at_s, sample.at_s + rules.lasts_s, baseline, cause, ratio, shadow=float(sample.backlog))
        totals = msgspec.structs.replace(totals, surges=totals.surges + 1)
    extra = 0 if surge is None else max(0, min(rules.workers, most - base))
    if surge is not None:
        surge = msgspec.structs.replace(surge, workers=extra)
        reason = f"{surge.cause}: {extra} workers more"
    after = _remembered(rules, state, sample, rate)
    return BurstDecision(
        extra, reason, msgspec.structs.replace(after, surge=surge, totals=totals, stopped_s=stopped_s), ended
    )


def _cause(rules: BurstRules, state: BurstState, rate: float, sample: Sample, run_s: float | None) -> str:
    """Why there should be a surge; "" when there should be none."""
    if state.seconds < rules.baseline_s or sample.arrivals < FEWEST or not rules.workers:
        return ""
    baseline = state.arrivals / state.seconds
    usual = baseline * sample.seconds
    if sample.arrivals < usual + SIGMAS * math.sqrt(usual):
        return ""
    return _factor(rules, rate, baseline) or _fills(rules, rate, state.rate, baseline, sample, run_s)


def _factor(rules: BurstRules, rate: float, baseline: float) -> str:
    if baseline <= 0 or rate < rules.factor * baseline:
        return ""
    return f"burst: {rate:.1f} jobs/s are {rate / baseline:.1f} times the baseline of {baseline:.1f} jobs/s"


def _fills(  # noqa: PLR0917
    rules: BurstRules, rate: float, before: float, baseline: float, sample: Sample, run_s: float | None
) -> str:
    """A rise that fills the pool before a worker could have been started."""
    slots = sample.workers * sample.slots
    soon = rate + max(0.0, rate - before) / sample.seconds * rules.start_s
    if run_s is None or rate * rules.target < baseline or soon * run_s < slots:
        return ""
    return f"burst: {rate:.1f} jobs/s, {soon:.1f} in {rules.start_s:g} s, fill the {slots} slots that there are"


def _may(rules: BurstRules, totals: Totals, at_s: float, stopped_s: float | None) -> bool:
    if rules.budget_per_day is not None and totals.spent >= rules.budget_per_day:
        return False
    return stopped_s is None or not 0 <= at_s - stopped_s < rules.lasts_s


def _carried(  # noqa: PLR0917
    rules: BurstRules, surge: Surge, totals: Totals, sample: Sample, run_s: float | None, completed: float
) -> tuple[Surge, Totals]:
    """The books since the last look. Workers of the surge are those above what the pool had without, if it has them."""
    there = min(surge.workers, sample.workers)
    worker_s = there * sample.seconds
    share = there / sample.workers if sample.workers else 0.0
    served = completed * share
    cost = worker_s / 3_600 * rules.cost_per_worker_hour
    done = completed - served if run_s is None else (sample.workers - there) * sample.slots * sample.seconds / run_s
    shadow = max(float(sample.backlog), surge.shadow + sample.arrivals - done)
    avoided_s = max(0.0, shadow - sample.backlog) * sample.seconds
    rate = sample.arrivals / sample.seconds
    carried = msgspec.structs.replace(
        surge,
        peak=max(surge.peak, rate / surge.baseline if surge.baseline > 0 else 0.0),
        worker_s=surge.worker_s + worker_s,
        served=surge.served + served,
        avoided_s=surge.avoided_s + avoided_s,
        shadow=shadow,
    )
    return carried, msgspec.structs.replace(
        totals,
        worker_s=totals.worker_s + worker_s,
        cost=totals.cost + cost,
        spent=totals.spent + cost,
        served=totals.served + served,
        avoided_s=totals.avoided_s + avoided_s,
    )


def _ended(  # noqa: PLR0911 - an end has many reasons
    rules: BurstRules,
    surge: Surge,
    totals: Totals,
    rate: float,
    sample: Sample,
    *,
    run_s: float | None,
    base: int,
    stopped_s: float | None,
) -> tuple[Surge, str]:
    """The surge with what is known of its cause, and why it ends if it does."""
    if stopped_s is not None and stopped_s >= surge.began_s:
        return surge, "it was stopped"
    if rules.budget_per_day is not None and totals.spent >= rules.budget_per_day:
        return surge, f"the budget of {rules.budget_per_day:g} a day is spent"
    if sample.at_s < surge.began_s:
        return surge, "the clock went back"
    if not _calm(rules, surge, rate, sample, run_s=run_s, base=base):
        until_s = surge.until_s + rules.lasts_s if sample.at_s >= surge.until_s else surge.until_s
        return msgspec.structs.replace(surge, calm_s=None, until_s=until_s), ""
    since = sample.at_s if surge.calm_s is None else surge.calm_s
    surge = msgspec.structs.replace(surge, calm_s=since)
    if sample.at_s >= surge.until_s:
        return surge, "its time is over, and so is its cause"
    if sample.at_s - since >= rules.calm_s:
        return surge, f"the pool would have done without it for {rules.calm_s:.0f} s"
    return surge, ""


def _calm(rules: BurstRules, surge: Surge, rate: float, sample: Sample, *, run_s: float | None, base: int) -> bool:
    """Whether the cause is gone: half of a burst at most, and the pool would do without, at the utilisation it aims at.

    The half is the hysteresis: what raises a surge and what ends it are far apart.
    """
    if surge.baseline > 0 and rate >= max(1.0, rules.factor / 2) * surge.baseline:
        return False
    if run_s is None:
        return not sample.backlog
    slots = base * sample.slots
    return rate * run_s <= rules.target * slots + 1e-9 and sample.backlog * run_s <= CALM_BACKLOG_S * slots


def _today(totals: Totals, at_s: float) -> Totals:
    day = int(at_s // DAY_S)
    return totals if day == totals.day else msgspec.structs.replace(totals, day=day, spent=0.0)


def _remembered(rules: BurstRules, state: BurstState, sample: Sample, rate: float) -> BurstState:
    """The baseline, which stands still while there is a surge: it is the usual arrivals that are remembered."""
    if state.surge is not None:
        return msgspec.structs.replace(state, rate=rate)
    recent = (*state.recent, (sample.seconds, sample.arrivals))
    seconds, arrivals, gone = state.seconds + sample.seconds, state.arrivals + sample.arrivals, 0
    while gone < len(recent) - 1 and seconds - recent[gone][0] >= rules.baseline_s:
        seconds, arrivals, gone = seconds - recent[gone][0], arrivals - recent[gone][1], gone + 1
    return BurstState(recent[gone:], seconds, max(0.0, arrivals), rate)
