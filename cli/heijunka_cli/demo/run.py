"""Run the demo: a private server, workers, a web server; enqueue, watch, collect, hold the books against each other.

Whatever ends it, everything it started ends with it: each part is entered into one stack, and leaving waits
for processes to be gone. An interrupt only asks; it is looked for between two steps, none of which is long.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from heijunka.server import EmbeddedServer
from heijunka_cli.demo.app import app
from heijunka_cli.demo.books import Summary, Tally, audit
from heijunka_cli.demo.crew import Crew
from heijunka_cli.demo.desk import Desk, collected
from heijunka_cli.demo.plan import DOMAINS, Plan
from heijunka_cli.demo.watch import Moment, Watch
from heijunka_cli.demo.web import Web

STEP_S: Final = 0.1
SLOTS: Final = 4
RESERVE_S: Final = 4.0
"""Seconds kept for the end: reading results and stopping."""

_RESULTS_WITHIN_S: Final = 5.0
_LATE_RESULTS_WITHIN_S: Final = 1.0
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Check = Callable[[], None]


class Interrupted(Exception):
    """A signal asked the demo to end."""


def perform(plan: Plan, *, processes: int, seconds: float, show: Callable[[Moment], None]) -> Summary:
    """Run the demo.

    Parameters:
        plan: what to enqueue.
        processes: workers of each domain.
        seconds: how long it may take in all; what has not ended by then is told by the summary.
        show: called with every look at it.

    Returns:
        The summary. Everything that was started has ended, and nothing is left on disk.

    Raises:
        Interrupted: a signal asked it to end.
        ServerError: there is no server to start, or it does not start.
        WorkerError: the workers ended by themselves.
    """
    until = time.monotonic() + seconds - RESERVE_S
    with contextlib.ExitStack() as stack:
        interrupted = stack.enter_context(_interrupts())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="heijunka-demo-")))
        server = stack.enter_context(EmbeddedServer(directory=folder / "server", embedded="yes"))
        app.override({"redis_url": server.url}, "demo")
        stack.callback(app.close)
        web = stack.enter_context(Web())
        crew = stack.enter_context(Crew(server.url, folder / "workers.log", processes=processes, slots=SLOTS))

        desk, watch = Desk(plan, web.port), Watch(app)
        last = _watched(desk, watch, until=until, show=show, checks=(interrupted, crew.check))
        within_s = _RESULTS_WITHIN_S if last.is_idle else _LATE_RESULTS_WITHIN_S
        ends, held, found = asyncio.run(collected(desk.handed, within_s=within_s)), watch.held(), server.status()
        interrupted()
        return Summary(
            planned=plan.total,
            seconds=last.elapsed_s,
            server=f"{(found.flavour or 'redis').title()} {found.version}",
            workers=processes * len(DOMAINS),
            domains={domain: Tally.read(depths) for domain, depths in held.items()},
            checks=audit(plan, ends, held, web.ledger),
            refused=web.refused,
            posted_again=web.again,
        )


def _watched(
    desk: Desk, watch: Watch, *, until: float, show: Callable[[Moment], None], checks: tuple[Check, ...]
) -> Moment:
    """Hand everything in and watch until it has ended, or until `until`; the last look."""
    began = time.monotonic()
    while True:
        for check in checks:
            check()
        news = desk.hand_in(time.monotonic() - began)
        moment = watch.look(time.monotonic() - began, handed_in=len(desk.handed), total=desk.plan.total, news=news)
        show(moment)
        if (desk.is_done and moment.is_idle) or time.monotonic() >= until:
            return moment
        time.sleep(STEP_S)


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """Note signals that ask to end; what is yielded raises `Interrupted` once there was one.

    The first only asks. Later ones change nothing: what is started is being stopped, and that is bounded. What is
    ignored from the beginning (by nohup, by a shell for its background jobs) stays so.
    """
    asked: list[signal.Signals] = []

    def note(number: int, _: FrameType | None) -> None:
        asked.append(signal.Signals(number))

    def look() -> None:
        if asked:
            raise Interrupted(asked[0].name)

    heeded = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield look
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
