"""`heijunka drain`: a domain takes no jobs any more, and what it has is finished."""

from __future__ import annotations

import time
from typing import Final

import click

from heijunka.counted import counted
from heijunka_cli.ending import Code
from heijunka_cli.limits import Which, facts, json_option, of_domain

LOOK_S: Final = 0.1


@click.command
@click.option("--timeout", metavar="TIME", help="Wait that long for what is queued, such as 5m; else do not wait.")
@json_option
@of_domain
@click.pass_context
def drain(context: click.Context, which: Which, *, timeout: str | None, as_json: bool) -> None:
    """Let a domain take no jobs, and finish what it has.

    Enqueueing into it raises Draining from now on. With --timeout it is waited for until nothing is ready or running;
    jobs that wait for their time, retries among them, are not waited for. A pool that the leader sizes stops when
    none of these are left either, and starts again when the domain is undrained.

    Exit code 75: jobs are left when the time is over.
    """
    from heijunka.clock import duration_ms
    from heijunka_cli.safe_text import json_text

    wait_s = 0.0 if timeout is None else duration_ms(timeout, option="--timeout") / 1_000
    limits, until = which.app.control.limits, time.monotonic() + wait_s
    bounds = limits.drain(which.domain)
    while bounds.load and time.monotonic() < until:
        time.sleep(LOOK_S)
        bounds = limits.show(which.domain)
    if as_json:
        click.echo(json_text(facts(bounds)))
    else:
        click.echo(f"{which.domain} takes no jobs, and has {counted(bounds.load, 'job')} left", err=True)
        held_back = [one.name for one in which.app.control.queues.show(which.domain) if one.paused and one.waiting]
        if held_back:
            click.echo(f"hint: {', '.join(held_back)} is paused: heijunka queue resume", err=True)
    context.exit(Code.UNFINISHED if bounds.load and timeout is not None else Code.OK)
