"""`heijunka load-test`: jobs at a rate, against live workers, and how long they took."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from heijunka_cli import opening
from heijunka_cli.ending import Code, Usage, did_you_mean
from heijunka_cli.simulate import Time

if TYPE_CHECKING:
    from heijunka.app.enqueueable import BaseTask

TICK_S: Final = 0.01
SAMPLES_A_SECOND: Final = 20
"""Jobs of each second whose end is waited for: they are what is timed."""

DRAIN_S: Final = 30.0
"""How long samples are waited for when the last job was sent."""

MOST_A_TICK: Final = 10_000


@click.command("load-test")
@click.argument("words", nargs=-1, metavar="[APP] sustained|burst|ramp")
@click.option("--task", "name", required=True, help="The task that is enqueued.")
@click.option("--args", "arguments", default="[]", show_default=True, help="Its arguments, as JSON.")
@click.option("--rate", type=click.FloatRange(0.1, 1e6), default=100.0, show_default=True, help="Jobs per second.")
@click.option("--factor", type=click.FloatRange(1.0, 1e4), default=10.0, show_default=True, help="Of a burst or ramp.")
@click.option("--duration", type=Time(), default="10s", show_default=True, help="How long jobs are sent.")
@click.option("--p95", "p95_s", type=Time(), help="The longest that 95 % may take; exit 1 when it is missed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@opening.redis_flags
def load_test(
    *,
    words: tuple[str, ...],
    name: str,
    arguments: str,
    p95_s: float | None,
    as_json: bool,
    redis_url: str | None,
    namespace: str | None,
    **asked: float,
) -> None:
    r"""Send jobs to live workers and time them.

    \b
    sustained   --rate jobs a second
    burst       --rate, and in the middle fifth --factor times that
    ramp        from --rate to --factor times that

    APP is the application's path; it may be left out when the setting `app` names one. Twenty jobs of each second
    are timed, with their results kept; the others only load the workers. What a domain refuses is counted.
    """
    from heijunka_cli.safe_text import json_text

    shape = words[-1] if words else ""
    if not 1 <= len(words) <= 2 or shape not in RATES:
        hint = did_you_mean(shape, RATES) or f"there are {', '.join(RATES)}"
        raise Usage("a shape is to be named", hint=hint)
    if asked["duration"] < 2 * TICK_S:
        raise Usage("--duration is too short", hint="write 20ms at least")
    overrides = opening.overrides_of(redis_url=redis_url, namespace=namespace)
    with opening.application(words[0] if len(words) > 1 else None, overrides) as app:
        if name not in app.tasks:
            raise Usage(f"{app.name} has no task {name!r}", hint=did_you_mean(name, app.tasks) or "")
        task, call = app.tasks[name], _arguments(arguments)
        rate = RATES[shape](asked["rate"], asked["factor"], asked["duration"])
        facts = asyncio.run(_driven(task, call, rate, asked["duration"]))
    if as_json:
        click.echo(json_text(facts))
    else:
        _tell(facts)
    if facts["unfinished"] or (p95_s is not None and (facts["p95_s"] is None or facts["p95_s"] > p95_s)):
        if not as_json:
            missed = (
                f"{facts['unfinished']} timed jobs did not end in time" if facts["unfinished"] else "--p95 was missed"
            )
            click.echo(missed, err=True)
        raise click.exceptions.Exit(Code.UNHEALTHY)


Rate = Callable[[float], float]
"""Jobs per second at a moment, in seconds from the beginning."""

RATES: Final[dict[str, Callable[[float, float, float], Rate]]] = {
    "sustained": lambda rate, _, __: lambda _: rate,
    "burst": lambda rate, factor, length: lambda at: rate * (factor if 0.4 <= at / length < 0.6 else 1.0),
    "ramp": lambda rate, factor, length: lambda at: rate * (1.0 + (factor - 1.0) * at / length),
}


class Tally:
    """What came of the jobs that were sent."""

    def __init__(self) -> None:
        self.sent = self.refused = self.failed = 0
        self.took: list[float] = []
        self.timed: set[asyncio.Task[None]] = set()


async def _driven(task: BaseTask[Any, Any], call: tuple[Any, ...], rate: Rate, length: float) -> dict[str, Any]:
    tally, began, due, said = Tally(), time.perf_counter(), 0.0, 0
    timed_due, at, sending = 0.0, 0.0, set[asyncio.Task[None]]()
    while at < length:
        now = min(length, time.perf_counter() - began)
        due += rate(now) * (now - at)
        timed_due += SAMPLES_A_SECOND * (now - at)
        at = now
        timed = min(int(timed_due), int(due))
        count = min(int(due), MOST_A_TICK)
        due, timed_due = due - count, timed_due - timed
        for _ in range(timed):
            one = asyncio.create_task(_timed(task, call, tally))
            tally.timed.add(one)
        if count > timed:
            batch = asyncio.create_task(_sent(task, [call] * (count - timed), tally))
            sending.add(batch)
            batch.add_done_callback(sending.discard)
        if int(at) > said and sys.stderr.isatty():
            said = int(at)
            click.echo(
                f"{said:>4} s  {tally.sent:,} sent, {tally.refused:,} refused, {len(tally.took):,} timed", err=True
            )
        await asyncio.sleep(TICK_S)
    if sending:
        await asyncio.wait(sending)
    took = time.perf_counter() - began
    unfinished: set[asyncio.Task[None]] = set()
    if tally.timed:
        _, unfinished = await asyncio.wait(tally.timed, timeout=DRAIN_S)
    for one in unfinished:
        one.cancel()
    await task.app.aclose()
    return {
        "sent": tally.sent,
        "refused": tally.refused,
        "failed": tally.failed,
        "rate": tally.sent / took,
        "timed": len(tally.took),
        "unfinished": len(unfinished),
        "p50_s": quantile(tally.took, 0.50),
        "p95_s": quantile(tally.took, 0.95),
        "p99_s": quantile(tally.took, 0.99),
    }


async def _sent(task: BaseTask[Any, Any], calls: list[tuple[Any, ...]], tally: Tally) -> None:
    jobs = await task.options(keep_result=None).aenqueue_many(calls, partial=True)
    refused = sum(job.admission.state == "refused" for job in jobs)
    tally.sent += len(jobs) - refused
    tally.refused += refused


async def _timed(task: BaseTask[Any, Any], call: tuple[Any, ...], tally: Tally) -> None:
    from heijunka.errors import JobError

    began = time.perf_counter()
    job = await task.options(keep_result="5m", on_overload="drop").aenqueue(*call)
    if job.admission.state == "refused":
        tally.refused += 1
        return
    tally.sent += 1
    try:
        await job.aresult()
    except JobError:
        tally.failed += 1
    tally.took.append(time.perf_counter() - began)


def quantile(values: list[float], share: float) -> float | None:
    """The value that this share of all do not exceed (nearest rank); None of nothing.

    Example:
        >>> quantile([3.0, 1.0, 2.0], 0.5)
        2.0
    """
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def _arguments(text: str) -> tuple[Any, ...]:
    import json

    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise Usage("--args is no JSON list", hint="write --args '[1, \"two\"]'")
    return tuple(found)


def _tell(facts: dict[str, Any]) -> None:
    def shown(seconds: float | None) -> str:
        return "-" if seconds is None else f"{seconds * 1_000:,.1f} ms"

    click.echo(
        f"{facts['sent']:,} jobs sent, {facts['rate']:,.0f} a second; {facts['refused']:,} refused, "
        f"{facts['failed']:,} of {facts['timed']:,} timed ones failed"
    )
    click.echo(
        f"from enqueue to result: 50 % within {shown(facts['p50_s'])}, 95 % {shown(facts['p95_s'])}, "
        f"99 % {shown(facts['p99_s'])}"
    )
