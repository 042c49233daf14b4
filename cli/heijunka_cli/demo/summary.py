"""Show how the demo went: what Redis counted, and whether the numbers add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from heijunka_cli.demo.books import Check, Summary, Tally

_LABEL: Final = 13
_JUSTIFIED: Final[tuple[JustifyMethod, ...]] = ("left", "left", "right", "left", "left", "right", "left")


def print_summary(console: Console, summary: Summary) -> None:
    """Print it.

    Parameters:
        console: where to.
        summary: of a run.
    """
    total = summary.total
    console.print(
        f"{total.enqueued:,} jobs in {summary.seconds:.1f} s, {summary.workers} worker processes, "
        f"a private {summary.server}\n",
        highlight=False,
    )
    console.print(_domains(summary))
    console.print()
    console.print(_checks(summary.checks, ascii_only=console.options.ascii_only))
    console.print()
    for words, style in _verdict(summary):
        console.print(words, style=style, highlight=False)


def _domains(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True, min_width=_LABEL)
    for title in ("enqueued", "done", "dead", "retried", "redelivered"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, tally in summary.domains.items():
        table.add_row(name, *_numbers(tally))
    table.add_row("in all", *_numbers(summary.total), style="bold")
    return table


def _numbers(tally: Tally) -> Iterator[Text]:
    shown = (
        (tally.enqueued, ""), (tally.done, "green"), (tally.dead, "red"), (tally.retried, "magenta"),
        (tally.redelivered, "cyan"),
    )  # fmt: skip
    for value, style in shown:
        yield Text(f"{value:,}", style=style if value else "dim")


def _checks(checks: Sequence[Check], *, ascii_only: bool) -> Table:
    right, wrong, unequal = ("ok", "OFF", "!=") if ascii_only else ("✓", "✗", "≠")
    table = Table.grid(padding=(0, 1, 0, 0))
    for justify in _JUSTIFIED:
        table.add_column(justify=justify, no_wrap=True)
    for check in condensed(checks):
        style = "" if check.is_right else "bold red"
        table.add_row(
            Text(right, "green") if check.is_right else wrong,
            f"{check.domain}: {check.what}" if check.domain else check.what,
            f"{check.expected:,}", Text(check.compared[0], "dim"),
            "=" if check.is_right else unequal,
            f"{check.found:,}", Text(check.compared[1], "dim"),
            style=style,
        )  # fmt: skip
    return table


def condensed(checks: Sequence[Check]) -> Iterator[Check]:
    """Checks of the same thing in several domains as one, when all are right; else those that are off."""
    for what in dict.fromkeys(check.what for check in checks):
        alike = [check for check in checks if check.what == what]
        off = [check for check in alike if not check.is_right]
        if off:
            yield from off
        else:
            sums = sum(check.expected for check in alike)
            yield Check(what, "", sums, sums, alike[0].compared)


def _verdict(summary: Summary) -> Iterator[tuple[str, str]]:
    total, off, unfinished = summary.total, len(summary.off), summary.unfinished
    if total.redelivered:
        begun = f"{total.suspected:,} had begun, and were run alone"
        yield f"{total.redelivered:,} jobs were given back by workers that died; {begun}.", ""
    if summary.posted_again:
        yield f"Notices that the web server got twice, and knew by the job's id: {summary.posted_again:,}.", ""
    if total.poisoned:
        yield f"Jobs that are dead letters because their workers died too often: {total.poisoned:,}.", ""
    if unfinished:
        yield f"The time was over: {unfinished:,} of {summary.planned:,} jobs have not ended.", "bold red"
    elif off:
        yield f"{off} of these numbers {'are' if off > 1 else 'is'} off.", "bold red"
    else:
        yield "Everything adds up.", "bold green"
