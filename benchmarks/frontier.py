"""What sizing costs and what it spares, on recorded load: settings of Heijunka's policies beside others' rules.

    python -m benchmarks.frontier ../shared/traces

One bin is played as 60 s, a job takes 0.1 s, rates are scaled so that the 99.5th percentile keeps 40 workers busy, a
worker takes 1 s to start, and there may be 2 to 50. The oracle has as few workers as let nobody wait, and no start-up.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from heijunka.policies.burst import BurstRules
from heijunka.policies.scaling import ScalingRules
from heijunka.simulation import RULERS, Levelled, Model, Outcome, Ruler, Trace, play, read_trace
from heijunka.simulation.play import peak_workers

TRACES: Final = {"elb_request_count_8c0756": None, "nyc_taxi": None, "Twitter_volume_AAPL": 3_000}
"""Files and how many of their bins are played."""

RUN_S: Final = 0.1
PEAK: Final = 40

SETTINGS: Final[Mapping[str, ScalingRules]] = {
    "default, 70 %": ScalingRules(),
    "steady": ScalingRules(target=0.85, up_above=1.0, stabilisation_s=300, step_down=0.5, window_s=1),
    "close": ScalingRules(target=0.85, up_above=0.9, stabilisation_s=20, step_down=0.99, window_s=1),
    "closest": ScalingRules(target=0.95, up_above=1.0, down_below=0.9, stabilisation_s=20, step_down=0.99, window_s=1),
}


def rulers() -> Iterator[tuple[str, ScalingRules, Callable[[Trace], Ruler]]]:
    """Who sizes: a name, the bounds, and what makes it."""
    for name, rules in SETTINGS.items():
        yield name, rules, functools.partial(_levelled, rules)
    default = ScalingRules()
    yield "default with surges", default, lambda _: Levelled(default, BurstRules())
    for name, made in RULERS.items():
        yield name, default, functools.partial(_others, made, default)


def _levelled(rules: ScalingRules, _: Trace) -> Ruler:
    return Levelled(rules)


def _others(made: Callable[[ScalingRules, int], Ruler], rules: ScalingRules, trace: Trace) -> Ruler:
    return made(rules, peak_workers(trace, Model(RUN_S), rules))


def row(trace: str, name: str, one: Outcome) -> str:
    """A line of the table."""
    return (
        f"{trace[:12]:<12} {name:<20} {one.over_oracle:>8.3f} {one.waited:>8.2%} {one.p99_s:>8.2f} s {one.events:>8,} "
        f"{one.utilisation:>6.0%} {one.seconds / one.took_s:>9,.0f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontier", description="What sizing costs and spares.")
    parser.add_argument("folder", type=Path, help="where the traces are")
    folder = parser.parse_args().folder
    print("TRACE        RULES                 /ORACLE  >0.1 s        P99   EVENTS   BUSY  s A SECOND")
    for file, bins in TRACES.items():
        path = folder / f"{file}.csv"
        if not path.exists():
            print(f"{file}: skipped, {path} is not there")
            continue
        trace = read_trace(path, gaps="skip")
        trace = (trace.first(bins) if bins else trace).scaled(PEAK / RUN_S)
        for name, rules, made in rulers():
            print(row(file, name, play(trace, made(trace), Model(RUN_S), rules)), flush=True)


if __name__ == "__main__":
    main()
