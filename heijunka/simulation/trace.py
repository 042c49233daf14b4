"""Load traces: read from a file, or made by name. A trace is arrivals in bins of equal length."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from heijunka.errors import InvalidOption

Gaps = Literal["refuse", "skip", "hold", "zero"]
GAPS: Final[tuple[Gaps, ...]] = get_args(Gaps)
"""What becomes of bins that a file does not have: refused, played as if there were none, filled with the bin before, or
filled with no arrivals."""

MOST_BINS: Final = 10_000_000
"""Bins that a trace may have; a gap of years is a mistake."""


class Trace(msgspec.Struct, frozen=True):
    """Arrivals over time.

    Attributes:
        name: what it is called.
        rates: arrivals of each bin, in jobs per second.
        bin_s: how long a bin is played, in seconds.
    """

    name: str
    rates: tuple[float, ...]
    bin_s: int = 60

    @property
    def seconds(self) -> int:
        """How long it is played."""
        return len(self.rates) * self.bin_s

    def scaled(self, peak: float) -> Trace:
        """The same with rates in proportion, so that the 99.5th percentile (nearest rank) is `peak` jobs per second.

        Example:
            >>> Trace("up", (1.0, 2.0, 4.0)).scaled(100.0).rates
            (25.0, 50.0, 100.0)
        """
        high = percentile(self.rates, 0.995)
        if high <= 0:
            raise InvalidOption(f"{self.name} has no load to scale", option="trace")
        return msgspec.structs.replace(self, rates=tuple(rate * peak / high for rate in self.rates))

    def first(self, bins: int) -> Trace:
        """Its first bins."""
        return msgspec.structs.replace(self, rates=self.rates[:bins])


def percentile(values: tuple[float, ...], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank).

    Example:
        >>> percentile((3.0, 1.0, 2.0), 0.5)
        2.0
    """
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def read_trace(path: str | Path, *, bin_s: int = 60, gaps: Gaps = "refuse") -> Trace:
    """Read a CSV file with a header and the columns `timestamp` and `value`: counts in bins of equal length.

    Parameters:
        path: of the file.
        bin_s: how long each of its bins is played, in seconds, whatever it was when it was recorded.
        gaps: what becomes of bins that are missing.

    Raises:
        InvalidOption: the file cannot be read, or a line is no bin; the error names the line.

    Example:
        >>> read_trace("counts.csv", gaps="hold")  # doctest: +SKIP
    """
    if bin_s < 1:
        raise InvalidOption(f"bin {bin_s} s is below 1 s", option="bin")
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"{path} cannot be read: {error}", option="trace") from None
    bins = list(_bins(path.name, text))
    if len(bins) < 2:
        raise InvalidOption(f"{path.name} has {len(bins)} bins, and needs two at least", option="trace")
    counts = _even(path.name, bins, gaps)
    return Trace(path.stem, tuple(count / bin_s for count in counts), bin_s)


def _bins(name: str, text: str) -> Iterator[tuple[int, float, float]]:
    """Line, moment in seconds and count of each bin."""
    lines = csv.reader(text.splitlines())
    header = [word.strip().lower() for word in next(lines, [])]
    if "timestamp" not in header or "value" not in header:
        raise _wrong(name, 1, "has no header with the columns timestamp and value")
    when, what = header.index("timestamp"), header.index("value")
    for row in lines:
        if not row:
            continue
        if len(row) <= max(when, what):
            raise _wrong(name, lines.line_num, f"has {len(row)} of {len(header)} columns")
        yield lines.line_num, _moment(name, lines.line_num, row[when]), _count(name, lines.line_num, row[what])


def _moment(name: str, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        raise _wrong(name, line, f"{text!r} is no moment; write 2026-01-31 09:30:00, or seconds") from None


def _count(name: str, line: int, text: str) -> float:
    try:
        count = float(text)
    except ValueError:
        raise _wrong(name, line, f"{text!r} is no number") from None
    if not 0 <= count < math.inf:
        raise _wrong(name, line, f"{text.strip()} is no count; it must be 0 or more")
    return count


def _even(name: str, bins: list[tuple[int, float, float]], gaps: Gaps) -> list[float]:
    """Counts of bins of equal length: that of most of them."""
    steps = [round(after[1] - before[1], 3) for before, after in pairwise(bins)]
    for (line, _, _), step in zip(bins[1:], steps, strict=True):
        if step <= 0:
            raise _wrong(name, line, "is not later than the line before")
    width = max(set(steps), key=steps.count)
    counts = [bins[0][2]]
    for (line, _, count), step in zip(bins[1:], steps, strict=True):
        missing = round(step / width) - 1
        if abs(step - width) > 0.5 and (gaps == "refuse" or missing < 0 or abs(step / width - missing - 1) > 0.01):
            hint = 'say what becomes of gaps: "skip", "hold" or "zero"'
            what = f"comes {step:g} s after the line before, and the others {width:g} s: there is a gap"
            raise _wrong(name, line, what, hint)
        if len(counts) + missing > MOST_BINS:
            raise _wrong(name, line, f"comes {missing:,} bins after the line before")
        if gaps in {"hold", "zero"}:
            counts += [counts[-1] if gaps == "hold" else 0.0] * missing
        counts.append(count)
    return counts


def _wrong(name: str, line: int, what: str, hint: str = "") -> InvalidOption:
    return InvalidOption(f"{name}, line {line}: {what}", hint=hint or None, option="trace", line=line)


def _constant(bins: int) -> Iterator[float]:
    return iter([1.0] * bins)


def _step(bins: int) -> Iterator[float]:
    """A fifth of the load, then all of it, from the second third on."""
    return (0.2 if at < bins / 3 else 1.0 for at in range(bins))


def _daily(bins: int) -> Iterator[float]:
    """A day in 96 bins: least at its beginning, five times as much in its middle."""
    return (0.6 - 0.4 * math.cos(2 * math.pi * at / 96) for at in range(bins))


def _burst(bins: int) -> Iterator[float]:
    """A twentieth of the load, and all of it in one of thirty bins."""
    return (1.0 if at % 30 == 15 else 0.05 for at in range(bins))


SHAPES: Final[Mapping[str, Callable[[int], Iterator[float]]]] = {
    "constant": _constant,
    "step": _step,
    "daily": _daily,
    "burst": _burst,
}
"""Traces by name: shares of the peak of each bin."""


def shape(name: str, *, peak: float, bins: int = 192, bin_s: int = 60) -> Trace:
    """A trace of a known shape.

    Parameters:
        name: "constant", "step" (to 5 times), "daily" (5 times between night and noon) or "burst" (to 20 times).
        peak: jobs per second where there are most.
        bins: how many.
        bin_s: how long each is played, in seconds.

    Raises:
        InvalidOption: there is no such shape, or a value is out of its range.

    Example:
        >>> shape("step", peak=10.0, bins=6).rates
        (2.0, 2.0, 10.0, 10.0, 10.0, 10.0)
    """
    if name not in SHAPES:
        raise InvalidOption(f"there is no shape {name!r}", hint=f"there are {', '.join(SHAPES)}", option="trace")
    if not 0 < peak < math.inf or not 1 <= bins <= MOST_BINS or bin_s < 1:
        raise InvalidOption("a shape needs a peak above 0, and one bin of a second at least", option="trace")
    return Trace(name, tuple(peak * share for share in SHAPES[name](bins)), bin_s)
