"""A figure, what it is held against, and how it is shown; the arithmetic from measurements to figures."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Callable, Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured figure.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: of the value.
        target: what it should reach; None when it only informs.
        at_most: whether the target is a ceiling rather than a floor.
        pings: the figure in PINGs of redis-py, taken in turn with it: how many would have been answered in the
            time of one job for a duration, in the time of a second's jobs for a rate.
        note: how it came about.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False
    pings: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        met = self.value <= self.target if self.at_most else self.value >= self.target
        return "met" if met else "missed"

    def line(self) -> str:
        bound = "" if self.target is None else f"{'≤' if self.at_most else '≥'} {_number(self.target)}"
        ratio = "" if self.pings is None else f"{_number(self.pings)} PINGs"
        shown = f"{self.name:<42} {_number(self.value):>9} {self.unit:<7} {bound:<10} {self.verdict:<7} {ratio:<13}"
        return f"{shown} {self.note}".rstrip()


class Scale(msgspec.Struct, frozen=True):
    """How much of everything a run does.

    Attributes:
        factor: 1.0 for the sizes that the targets are stated for.
        rounds: repetitions, of which medians are taken.
    """

    factor: float = 1.0
    rounds: int = 3

    def jobs(self, full: int) -> int:
        return max(200, round(full * self.factor))


class Point(msgspec.Struct, frozen=True):
    """A look at who empties a queue.

    Attributes:
        at_s: when, in seconds.
        ended: how many attempts have ended.
        resident_mib: memory of the worker process; 0 where that is not known.
    """

    at_s: float
    ended: int
    resident_mib: float = 0.0


def pace(points: Sequence[Point], first: float, last: float) -> float:
    """Jobs/s between two shares of a run; starting and stopping do not count when the shares leave them out.

    Parameters:
        points: looks at the run, the last one at its end.
        first: the share of the jobs that had ended when the stretch began, e.g. 0.1.
        last: the share that had ended when it was over.
    """
    jobs = points[-1].ended
    begin, end = reached(points, first * jobs), reached(points, last * jobs)
    if end.ended == begin.ended:  # nobody looked in between: the whole is all there is
        begin, end = points[0], points[-1]
    return (end.ended - begin.ended) / (end.at_s - begin.at_s)


def reached(points: Sequence[Point], ended: float) -> Point:
    """The first look at which at least so many attempts had ended."""
    return points[min(len(points) - 1, bisect_left(points, ended, key=lambda point: point.ended))]


def growth(points: Sequence[Point], first: float) -> float:
    """The most memory after the first share of a run, to what it was at its end; 0 where it is not known."""
    base = reached(points, first * points[-1].ended)
    later = [point.resident_mib for point in points if point.ended >= base.ended]
    return max(later) / base.resident_mib if base.resident_mib else 0.0


def alternated(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[float, float, float]:
    """Medians of two measures taken in turn, and the median of their ratios pair by pair."""
    pairs = [(first(), second()) for _ in range(rounds)]
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(one / other for one, other in pairs),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of `values` does not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
