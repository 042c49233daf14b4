"""`python -m benchmarks [--only NAME …] [--scale 0.1] [--rounds 3] [--json]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from benchmarks import admitting, draining, latency, levelling, producing, recovery, rising
from benchmarks.figures import Figure, Scale
from benchmarks.site import Site, site

MEASURES: Final[dict[str, Callable[[Site, Scale], Iterator[Figure]]]] = {
    "single": producing.single,
    "bulk": producing.bulk,
    "limits": admitting.limits,
    "leases": admitting.leases,
    "memory": producing.memory,
    "latency": latency.idle,
    "drain": draining.drain,
    "crews": draining.crews,
    "depth": draining.depth,
    "recovery": recovery.recovery,
    "levelling": levelling.levelling,
    "rising": rising.rising,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print a line for each figure as soon as it is there. A missed target is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What Heijunka costs.")
    parser.add_argument("--only", action="append", choices=MEASURES, help="measure only this; may be repeated")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes, for a quick look")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, of which medians are taken")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the first about the run")
    asked = parser.parse_args(arguments)
    scale = Scale(factor=asked.scale, rounds=asked.rounds)
    with site() as here:
        about: dict[str, Any] = {
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "server": here.server,
            "cores": os.cpu_count(),
            "scale": scale.factor,
            "rounds": scale.rounds,
        }
        print(json.dumps(about) if asked.json else _heading(about), flush=True)
        for name in asked.only or MEASURES:
            for figure in MEASURES[name](here, scale):
                shown = json.dumps({"measure": name, **msgspec.to_builtins(figure), "verdict": figure.verdict})
                print(shown if asked.json else figure.line(), flush=True)


def _heading(about: dict[str, Any]) -> str:
    return (
        f"{about['python']}, {about['cores']} cores; {about['server']}, started for this run on a unix socket,"
        f" without persistence; scale {about['scale']:g}, medians of {about['rounds']}"
    )


if __name__ == "__main__":
    main()
