"""A figure, what it is held against, and how it is shown."""

from __future__ import annotations

import statistics
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
        note: how it came about.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        met = self.value <= self.target if self.at_most else self.value >= self.target
        return "met" if met else "missed"

    def line(self) -> str:
        bound = "" if self.target is None else f"{'≤' if self.at_most else '≥'} {_number(self.target)}"
        shown = f"{self.name:<44} {_number(self.value):>9} {self.unit:<12} {bound:<10} {self.verdict:<7} {self.note}"
        return shown.rstrip()


class Scale(msgspec.Struct, frozen=True):
    """How much of everything a run does.

    Attributes:
        factor: 1.0 for the sizes that the targets are stated for.
        rounds: repetitions of what alternates.
    """

    factor: float = 1.0
    rounds: int = 3

    def jobs(self, full: int) -> int:
        return max(200, round(full * self.factor))


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
