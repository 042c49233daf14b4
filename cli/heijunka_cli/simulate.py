"""`heijunka simulate`: the policies over a load trace, much faster than time."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from heijunka_cli.ending import Usage, did_you_mean

if TYPE_CHECKING:
    from heijunka.simulation import Outcome, Ruler, Trace

DEFAULT_RUN_MS: Final = 100
OURS: Final = "heijunka"


class Time(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A duration, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        from heijunka.clock import duration_ms
        from heijunka.errors import InvalidOption

        if isinstance(value, float):
            return value
        try:
            return duration_ms(value) / 1_000
        except InvalidOption as error:
            self.fail(str(error), param, ctx)


@click.command
@click.argument("trace", metavar="FILE|SHAPE")
@click.option("--peak", type=float, metavar="WORKERS", help="Scale: so many slots busy at the 99.5th percentile.")
@click.option("--bins", type=click.IntRange(1), help="Play the first ones only; of a shape, so many.")
@click.option("--bin", "bin_s", type=Time(), default="60s", show_default=True, help="How long a bin is played.")
@click.option(
    "--gaps",
    type=click.Choice(["refuse", "skip", "hold", "zero"]),
    default="refuse",
    show_default=True,
    help="What becomes of bins that a file does not have.",
)
@click.option("--run", "run_s", type=Time(), default="100ms", show_default=True, help="Mean run time of a job.")
@click.option("--cv", type=float, help="Coefficient of variation of run times: adds the waits that chance makes.")
@click.option("--start", "start_s", type=Time(), default="1s", show_default=True, help="How long a worker starts.")
@click.option("--slots", type=click.IntRange(1), default=1, show_default=True, help="Attempts that a worker runs.")
@click.option("--hard", type=click.IntRange(1), metavar="JOBS", help="The load at which jobs are refused.")
@click.option("--workers", metavar="MIN:MAX", default="2:50", show_default=True, help="Bounds of the pool.")
@click.option("--target", type=float, default=0.70, show_default=True, help="The utilisation that is aimed at.")
@click.option("--up-above", type=float, default=0.80, show_default=True, help="The utilisation above which it grows.")
@click.option("--down-below", type=float, default=0.50, show_default=True, help="Below which it may shrink.")
@click.option("--stabilisation", type=Time(), default="60s", show_default=True, help="How long fewer must be enough.")
@click.option("--step-down", type=float, default=0.25, show_default=True, help="The share that goes at a time.")
@click.option("--drain-within", type=Time(), default="10s", show_default=True, help="To work off what waits.")
@click.option("--window", type=Time(), default="2s", show_default=True, help="What is averaged over.")
@click.option("--surge/--no-surge", default=True, show_default=True, help="Add surges to bursts.")
@click.option("--compare", metavar="RULES", help="Others' rules to play, too: static,celery,hpa.")
@click.option("--svg", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Plot load, workers and waits.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(*, trace: str, picture: Path | None, as_json: bool, compare: str | None, **options: Any) -> None:
    r"""Play a load trace against a pool that Heijunka sizes.

    FILE is CSV with the columns timestamp and value, counts in bins of equal length; SHAPE is constant, step, daily or
    burst. The policies are the ones that the coordinator runs; the pool is a fluid, in steps of a second.

    \b
    heijunka simulate requests.csv --peak 40 --compare static,celery,hpa
    heijunka simulate burst --peak 30 --run 250ms --svg burst.svg
    """
    from heijunka.simulation import RULERS
    from heijunka_cli.safe_text import json_text

    names = [name for name in (compare or "").replace(",", " ").split() if name]
    for name in names:
        if name not in RULERS:
            hint = did_you_mean(name, RULERS) or f"there are {', '.join(RULERS)}"
            raise Usage(f"there are no rules {name!r}", hint=hint)
    played, outcomes = _played(trace, names, options, quiet=as_json)
    if picture is not None:
        from heijunka.simulation.chart import svg

        try:
            picture.write_text(svg(played, outcomes), encoding="utf-8")
        except OSError as error:
            raise Usage(f"{picture} cannot be written: {error}") from None
    if as_json:
        click.echo(json_text([facts(name, one) for name, one in outcomes.items()]))
        return
    _table(played, outcomes)


def _played(trace: str, names: list[str], options: dict[str, Any], *, quiet: bool) -> tuple[Trace, dict[str, Outcome]]:
    from heijunka.policies.burst import BurstRules
    from heijunka.policies.scaling import ScalingRules
    from heijunka.simulation import RULERS, Levelled, Model, play
    from heijunka.simulation.play import peak_workers

    least, most = _bounds(options["workers"])
    rules = ScalingRules(
        least=least,
        most=most,
        target=options["target"],
        up_above=options["up_above"],
        down_below=options["down_below"],
        drain_within_s=options["drain_within"],
        window_s=options["window"],
        stabilisation_s=options["stabilisation"],
        step_down=options["step_down"],
    )
    model = Model(options["run_s"], round(options["start_s"]), options["slots"], options["hard"], options["cv"])
    load = _trace(trace, options, model.run_s)
    bursts = BurstRules(start_s=max(0.001, options["start_s"]), target=rules.target) if options["surge"] else None
    rulers: dict[str, Ruler] = {OURS: Levelled(rules, bursts)}
    rulers |= {name: RULERS[name](rules, peak_workers(load, model, rules)) for name in names}
    outcomes = {}
    for name, ruler in rulers.items():
        with click.progressbar(length=len(load.rates), label=f"{name:<9}", hidden=quiet, file=_stderr()) as bar:
            outcomes[name] = play(load, ruler, model, rules, functools.partial(_advance, bar))
    return load, outcomes


def _advance(bar: Any, number: int) -> None:
    if number % 16 == 0:
        bar.update(16)


def _trace(name: str, options: dict[str, Any], run_s: float) -> Trace:
    from heijunka.simulation import SHAPES, read_trace, shape

    bins, bin_s, peak = options["bins"], round(options["bin_s"]), options["peak"]
    if name in SHAPES:
        return shape(name, peak=(40.0 if peak is None else peak) / run_s, bins=bins or 192, bin_s=bin_s)
    if not Path(name).exists():
        hint = did_you_mean(name, SHAPES) or f"write a file, or a shape: {', '.join(SHAPES)}"
        raise Usage(f"there is no file {name}", hint=hint)
    load = read_trace(name, bin_s=bin_s, gaps=options["gaps"])
    load = load.first(bins) if bins else load
    return load if peak is None else load.scaled(peak / run_s)


def _bounds(text: str) -> tuple[int, int]:
    least, colon, most = text.partition(":")
    if not (colon and least.isdigit() and most.isdigit()):
        raise Usage(f"--workers {text!r} names no bounds", hint="write the fewest and the most, such as 2:50")
    return int(least), int(most)


def _stderr() -> Any:
    import sys

    return sys.stderr


def facts(name: str, one: Outcome) -> dict[str, Any]:
    """What came of a ruler, for JSON."""
    import math

    return {
        "rules": name,
        "jobs": round(one.jobs),
        "refused": one.refused,
        "p50_s": one.p50_s,
        "p99_s": one.p99_s if math.isfinite(one.p99_s) else None,
        "waited_over_100ms": one.waited,
        "worker_hours": one.worker_hours,
        "oracle_hours": one.oracle_hours,
        "over_oracle": one.over_oracle,
        "utilisation": one.utilisation,
        "scaling_events": one.events,
        "seconds": one.seconds,
        "seconds_per_second": one.seconds / one.took_s,
    }


def _table(trace: Trace, outcomes: dict[str, Outcome]) -> None:
    first = next(iter(outcomes.values()))
    click.echo(
        f"{trace.name}: {len(trace.rates):,} bins of {trace.bin_s} s, {first.jobs:,.0f} jobs, "
        f"played at {first.seconds / first.took_s:,.0f} s a second"
    )
    head = ("RULES", "WAIT P50", "P99", ">0.1 S", "REFUSED", "WORKER-HOURS", "/ORACLE", "BUSY", "EVENTS")
    click.echo("{:<10} {:>9} {:>9} {:>8} {:>8} {:>13} {:>8} {:>6} {:>8}".format(*head))
    for name, one in outcomes.items():
        click.echo(
            f"{name:<10} {_seconds(one.p50_s):>9} {_seconds(one.p99_s):>9} {one.waited:>8.2%} {one.refused:>8.2%} "
            f"{one.worker_hours:>13,.1f} {one.over_oracle:>8.3f} {one.utilisation:>6.0%} {one.events:>8,}"
        )


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1_000:.0f} ms"
    return f"{seconds:,.1f} s"
