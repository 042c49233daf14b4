"""`heijunka demo`: real work done by real workers, on a private server, and numbers that must add up."""

from __future__ import annotations

from typing import Final

import click

from heijunka_cli.ending import Code

JOBS: Final = 5_000
SECONDS: Final = 20


@click.command
@click.option("--jobs", type=click.IntRange(100, 100_000), default=JOBS, show_default=True, help="How many jobs.")
@click.option(
    "-n", "--processes", type=click.IntRange(1, 50), default=2, show_default=True, help="Worker processes per domain."
)
@click.option(
    "--seconds", type=click.IntRange(12, 3_600), default=SECONDS, show_default=True, help="How long it may take."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def demo(context: click.Context, jobs: int, processes: int, seconds: int, as_json: bool) -> None:
    """See real work done by real workers.

    Source files of Python's standard library are hashed, compressed, counted and posted, in three domains. A burst
    comes, some jobs fail and are tried again, one ends as a dead letter. You may kill -9 any worker meanwhile.

    It runs on a server of its own and leaves nothing behind. The summary is read back from Redis; exit code 1 says
    that its numbers do not add up, 75 that the time was over before the work.
    """
    from rich.console import Console

    from heijunka_cli.demo.plan import planned, standard_library
    from heijunka_cli.demo.run import Interrupted, perform
    from heijunka_cli.demo.summary import print_summary
    from heijunka_cli.demo.view import view_on
    from heijunka_cli.safe_text import json_text

    plan = planned(jobs, standard_library())
    try:
        with view_on(Console(stderr=True)) as view:
            summary = perform(plan, processes=processes, seconds=seconds, show=view.show)
    except Interrupted:
        click.echo("interrupted; everything it started has ended", err=True)
        context.exit(Code.INTERRUPTED)
    if as_json:
        click.echo(json_text(summary.facts()))
    else:
        print_summary(Console(), summary)
    if summary.unfinished:
        context.exit(Code.UNFINISHED)
    if summary.off:
        context.exit(Code.UNHEALTHY)
