"""A played trace as a picture: what arrived, how many workers there were, how long jobs waited."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

from heijunka.simulation.play import Outcome
from heijunka.simulation.trace import Trace

WIDTH: Final = 960
PANEL: Final = 130
GAP: Final = 46
LEFT: Final = 70
MOST_POINTS: Final = 960
"""Points of a line; longer traces show the highest of each stretch."""

COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#db2777", "#6b7280")


def svg(trace: Trace, outcomes: dict[str, Outcome]) -> str:
    """A picture of a trace and of what rulers made of it.

    Parameters:
        trace: that was played.
        outcomes: by the ruler's name.

    Returns:
        An SVG document.

    Example:
        >>> svg(Trace("even", (1.0, 2.0)), {})[:4]
        '<svg'
    """
    panels = [
        ("arrivals, jobs/s", {"load": list(trace.rates)}),
        ("workers", {name: [float(size) for size in one.workers] for name, one in outcomes.items()}),
        ("longest wait, s", {name: list(one.waits) for name, one in outcomes.items()}),
    ]
    height = len(panels) * (PANEL + GAP) + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12"><title>{escape(trace.name)}</title>'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
        f'<text x="{LEFT}" y="22" font-size="15">{escape(trace.name)}: {_hours(trace.seconds)}</text>'
    )
    parts = [head]
    for place, name in enumerate(outcomes):
        x = LEFT + 280 + place * 120
        parts.append(
            f'<rect x="{x}" y="13" width="12" height="4" fill="{_colour(place)}"/>'
            f'<text x="{x + 18}" y="20">{escape(name)}</text>'
        )
    for row, (title, lines) in enumerate(panels):
        parts.append(_panel(GAP + row * (PANEL + GAP), title, list(lines.values()), trace.seconds))
    return "".join((*parts, "</svg>\n"))


def _panel(top: float, title: str, lines: Sequence[Sequence[float]], seconds: int) -> str:
    high = max((max(line, default=0.0) for line in lines), default=0.0) or 1.0
    bottom, right = top + PANEL, WIDTH - 20
    parts = [
        f'<text x="{LEFT}" y="{top - 5}" fill="#374151">{title}</text>',
        f'<path d="M{LEFT} {top}V{bottom}H{right}" fill="none" stroke="#9ca3af"/>',
        f'<text x="{LEFT - 6}" y="{top + 9}" text-anchor="end">{_number(high)}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{bottom + 15}" text-anchor="end">{_hours(seconds)}</text>',
    ]
    for place, line in enumerate(lines):
        points = _thinned(line)
        step = (right - LEFT) / max(1, len(points) - 1)
        path = " ".join(
            f"{LEFT + at * step:.1f},{bottom - value / high * PANEL:.1f}" for at, value in enumerate(points)
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_colour(place)}" stroke-width="1.2"/>')
    return "".join(parts)


def _thinned(line: Sequence[float]) -> list[float]:
    if len(line) <= MOST_POINTS:
        return list(line)
    edges = [round(at * len(line) / MOST_POINTS) for at in range(MOST_POINTS + 1)]
    return [max(line[low:high]) for low, high in pairwise(edges)]


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def _hours(seconds: int) -> str:
    return f"{seconds / 3_600:,.1f} h" if seconds >= 3_600 else f"{seconds:,} s"
