"""Show the demo while it runs: a live view on a terminal, plain lines elsewhere.

All of it goes to stderr; stdout is for the summary. A narrow terminal loses columns, the least telling
first, and never wraps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Protocol, Self

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from heijunka.commands import Depths
from heijunka_cli.demo.plan import DOMAINS
from heijunka_cli.demo.watch import Moment

LINE_EVERY_S: Final = 1.0
NEWS_LINES: Final = 6

_BARS: Final = "▁▂▃▄▅▆▇█"
_LABEL: Final = 13
_WIDEST: Final = 100
_SUBTITLED: Final = 60
_ROOMY: Final = 90
"""From this width on, columns stand further apart."""


class View(Protocol):
    """Shows looks at the demo while it is entered."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *about: object) -> None:
        """End, and leave the terminal as it was."""
        ...

    def show(self, moment: Moment) -> None:
        """Show one look."""
        ...


def view_on(console: Console) -> View:
    """The view that fits: live on a terminal, lines elsewhere."""
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else LinesView(console)


class LinesView:
    """A line a second, one for each piece of news, and the processes that may be killed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line_at = 0.0
        self._pids: tuple[int, ...] = ()

    def __enter__(self) -> Self:
        """Nothing is to be done."""
        return self

    def __exit__(self, *about: object) -> None:
        """Nothing is to be undone."""

    def show(self, moment: Moment) -> None:
        """Print what is new."""
        for news in moment.news:
            self._print(moment, news)
        if moment.pids and moment.pids != self._pids:
            self._pids = moment.pids
            self._print(moment, f"workers are processes {' '.join(map(str, moment.pids))}")
        if moment.elapsed_s >= self._line_at:
            self._line_at = moment.elapsed_s + LINE_EVERY_S
            self._print(moment, line(moment))

    def _print(self, moment: Moment, words: str) -> None:
        self._console.print(f"{moment.elapsed_s:5.1f} s  {words}", soft_wrap=True, highlight=False, markup=False)


def line(moment: Moment) -> str:
    """One look in one line."""
    tally, held = moment.tally, moment.domains.values()
    return (
        f"done {tally.done:,} of {moment.total:,}  ready {sum(map(_ready, held)):,}  "
        f"running {sum(depths.running for depths in held):,}  "
        f"scheduled {sum(depths.scheduled for depths in held):,}  retried {tally.retried:,}  dead {tally.dead:,}  "
        f"workers {sum(depths.workers for depths in held)}  {sum(moment.rates.values()):,.0f} jobs/s"
    )


class LiveView:
    """The state of every domain, redrawn with each look; it is gone when the demo is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._news: deque[str] = deque(maxlen=NEWS_LINES)
        self._waiting: list[int] = []
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Take a part of the terminal."""
        self._live.__enter__()
        return self

    def __exit__(self, *about: object) -> None:
        """Give it back."""
        self._live.__exit__(None, None, None)

    def show(self, moment: Moment) -> None:
        """Draw anew."""
        self._news.extend(f"{moment.elapsed_s:4.1f} s  {news}" for news in moment.news)
        self._waiting.append(sum(map(_ready, moment.domains.values())))
        self._live.update(self.drawn(moment), refresh=True)

    def drawn(self, moment: Moment) -> RenderableType:
        """What the terminal is to show."""
        width = min(self._console.width, _WIDEST)
        parts: list[RenderableType] = [
            _title(moment, width),
            Text(),
            domains_table(moment, width),
            Text(),
            _progress(moment, width),
        ]
        if not self._console.options.ascii_only:
            parts.append(_history(self._waiting, width))
        pids = " ".join(map(str, moment.pids))
        invitation = f"try it: kill -9 any worker, nothing is lost: {pids}" if pids else "workers are starting"
        below = [Text(), Text(invitation, style="dim"), Text(), *map(Text, self._news)]
        for text in below:
            text.no_wrap, text.overflow = True, "ellipsis"
        return Group(*parts, *below)


def _title(moment: Moment, width: int) -> RenderableType:
    grid = Table.grid(expand=False)
    grid.width = width
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    title = Text("heijunka demo", style="bold")
    if width >= _SUBTITLED:
        title.append("  real jobs, on a private server", style="not bold dim")
    grid.add_row(title, f"{moment.elapsed_s:.1f} s")
    return grid


class _Column(msgspec.Struct, frozen=True):
    title: str
    value: Callable[[Depths], int]
    style: str = ""
    rank: int = 0
    """Those with the highest go first when there is no room."""


def _ready(depths: Depths) -> int:
    return sum(depths.ready.values()) + depths.suspects


_COLUMNS: Final = (
    _Column("ready", _ready, "yellow", 1),
    _Column("running", lambda depths: depths.running, "cyan", 2),
    _Column("scheduled", lambda depths: depths.scheduled, "blue", 6),
    _Column("done", lambda depths: depths.counted("ack", "done"), "green", 0),
    _Column("retried", lambda depths: depths.counted("retry"), "magenta", 5),
    _Column("dead", lambda depths: depths.counted("dead", "buried"), "red", 3),
    _Column("workers", lambda depths: depths.workers, "", 7),
)
_RATE: Final = "jobs/s"
_NUMBER: Final = 6


def domains_table(moment: Moment, width: int) -> Table:
    """The domains, as far as their columns fit.

    Parameters:
        moment: what to show.
        width: of the terminal, in cells.
    """
    gap = 2 if width >= _ROOMY else 1
    columns = fitting(_COLUMNS, width - _LABEL - gap - _NUMBER, gap)
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True, min_width=_LABEL)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True, min_width=_NUMBER)
    table.add_column(_RATE, justify="right", no_wrap=True, min_width=_NUMBER)
    for domain in DOMAINS:
        held = moment.domains[domain]
        numbers = [_number(column.value(held), column.style) for column in columns]
        table.add_row(domain, *numbers, _number(round(moment.rates[domain])))
    sums = [sum(map(column.value, moment.domains.values())) for column in columns]
    table.add_row(
        "in all",
        *(_number(value, column.style) for value, column in zip(sums, columns, strict=True)),
        _number(round(sum(moment.rates.values()))),
        style="bold",
    )
    return table


def fitting(columns: Sequence[_Column], room: int, gap: int) -> list[_Column]:
    """The columns that fit into `room` cells, `gap` cells apart; the rest is left out by rank."""
    left = list(columns)
    while left and sum(max(len(column.title), _NUMBER) + gap for column in left) > room:
        left.remove(max(left, key=lambda column: column.rank))
    return left


def _number(value: int, style: str = "") -> Text:
    return Text(f"{value:,}", style=style if value else "dim")


def _progress(moment: Moment, width: int) -> RenderableType:
    ended = moment.tally.done + moment.tally.dead
    tail = f" {ended:,} of {moment.total:,}"
    grid = Table.grid()
    grid.add_column(width=_LABEL)
    grid.add_column()
    grid.add_column(no_wrap=True)
    room = max(1, width - _LABEL - len(tail))
    bar = ProgressBar(moment.total, ended, width=room, complete_style="green", finished_style="green")
    grid.add_row("ended", bar, tail)
    return grid


def _history(waiting: Sequence[int], width: int) -> Text:
    """How many jobs were waiting, from the beginning until now."""
    most = max(waiting)
    tail = f" {most:,} at most"
    room = max(1, width - _LABEL - len(tail))
    steps = [max(part) for part in _parts(waiting, room)]
    bars = "".join(_BARS[round(step / max(most, 1) * (len(_BARS) - 1))] for step in steps)
    return Text.assemble("waiting".ljust(_LABEL), (bars.ljust(room), "yellow"), tail, no_wrap=True, overflow="crop")


def _parts(values: Sequence[int], most: int) -> list[Sequence[int]]:
    """The values in at most so many parts of about equal size."""
    if len(values) <= most:
        return [[value] for value in values]
    edges = [round(part * len(values) / most) for part in range(most + 1)]
    return [values[start:end] for start, end in pairwise(edges)]
