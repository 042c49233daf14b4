"""`heijunka status`: the pools of an application, live or once."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from heijunka_cli import opening

if TYPE_CHECKING:
    from rich.console import RenderableType

    from heijunka.app import Heijunka
    from heijunka.control.pools import PoolStatus

EVERY_S: Final = 1.0

_COLOURS: Final = {
    "healthy": "green",
    "idle": "dim",
    "underused": "cyan",
    "saturated": "yellow",
    "degraded": "red",
    "down": "bold red",
}


@click.command
@click.argument("app", required=False)
@click.option("-d", "--domain", "domains", multiple=True, metavar="DOMAIN", help="Only this pool; may be repeated.")
@click.option("--once", is_flag=True, help="Print it once, as is done where stdout is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print it once, as JSON.")
@opening.redis_flags
def status(
    *,
    app: str | None,
    domains: tuple[str, ...],
    once: bool,
    as_json: bool,
    redis_url: str | None,
    namespace: str | None,
) -> None:
    """Show the pools of an application.

    APP is its path, such as shop.tasks:app; it may be left out when the setting `app` names one, and with --namespace.

    For each pool: how it is and why it has so many workers, the jobs that wait by priority and for how long, how many
    end in a second, how busy its workers are, and how many there are of how many there should be.
    """
    from heijunka_cli.safe_text import json_text

    with opening.application(app, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as opened:
        seen = _seen(opened, domains)
        if as_json:
            import msgspec

            facts = {"leader": opened.control.pools.leader(), "pools": msgspec.to_builtins(seen)}
            click.echo(json_text(facts))
        elif once or not sys.stdout.isatty():
            _print(opened, seen)
        else:
            _live(opened, domains, seen)


def _seen(app: Heijunka, domains: Sequence[str]) -> list[PoolStatus]:
    pools = app.control.pools
    return [pools[domain].status() for domain in domains] if domains else [pool.status() for pool in pools]


def _print(app: Heijunka, seen: Sequence[PoolStatus]) -> None:
    from rich.console import Console

    Console().print(_view(app, seen, {}))


def _live(app: Heijunka, domains: Sequence[str], seen: Sequence[PoolStatus]) -> None:
    from rich.live import Live

    before = {one.domain: one for one in seen}
    with Live(_view(app, seen, {}), auto_refresh=False, screen=False) as live:
        try:
            while True:
                time.sleep(EVERY_S)
                now = _seen(app, domains)
                live.update(_view(app, now, before), refresh=True)
                before = {one.domain: one for one in now}
        except KeyboardInterrupt:
            return


def _view(app: Heijunka, seen: Sequence[PoolStatus], before: Mapping[str, PoolStatus]) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from heijunka_cli.safe_text import safe_text

    leader = app.control.pools.leader()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("pool", "state"):
        table.add_column(title, no_wrap=True)
    for title in ("h · n · l", "oldest", "running", "jobs/s", "busy", "workers"):
        table.add_column(title, justify="right", no_wrap=True)
    news = any(one.broken or one.surge for one in seen)
    if news:  # else they would only take room
        table.add_column("breakers", no_wrap=True)
        table.add_column("surge", no_wrap=True)
    reasons = []
    for one in seen:
        row = _row(one, before.get(one.domain), Text)
        table.add_row(*(row if news else row[:-2]))
        if one.reason:
            reasons.append(Text(safe_text(f"{one.domain}: {one.reason}"), style="dim"))
        if one.waiting and not one.current:
            hint = (
                f"{one.domain}: {one.waiting:,} jobs wait and nobody runs them; start: heijunka worker -d {one.domain}"
            )
            reasons.append(Text(safe_text(hint), style="bold red"))
    unbounded = [one.domain for one in seen if not one.bounded]
    if unbounded:
        reasons.append(Text(safe_text(f"unbounded: {', '.join(unbounded)}"), style="dim"))
    head = f"led by {leader}" if leader else "nobody leads: pools keep their sizes"
    return Group(Text(safe_text(head)), table, *reasons)


def _row(one: PoolStatus, before: PoolStatus | None, text: Any) -> list[Any]:
    rate = "-"
    if before is not None and one.at_ms > before.at_ms:
        rate = f"{max(0, one.ended - before.ended) * 1_000 / (one.at_ms - before.at_ms):,.0f}"
    workers = f"{one.current}/{one.target}" if one.current != one.target else str(one.current)
    drains = f" -{one.draining}" if one.draining else ""
    mode = f" {one.mode}" if one.mode in {"manual", "fixed"} else ""
    return [
        one.domain,
        text(one.health or "?", style=_COLOURS.get(one.health, "")),
        " · ".join(f"{one.ready[priority]:,}" for priority in ("high", "normal", "low")),
        f"{one.oldest_s:.1f} s" if one.waiting else "-",
        f"{one.busy:,}",
        rate,
        f"{one.utilisation:.0%}",
        f"{workers}{drains}{mode}",
        text(f"{one.broken} open", style="bold red") if one.broken else "-",
        f"+{one.surge}" if one.surge else "-",
    ]
