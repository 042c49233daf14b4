"""`heijunka surge`: what bursts have raised, what it cost, and what it saved."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from heijunka_cli import opening
from heijunka_cli.limits import Which, domains_of, json_option, of_domain

if TYPE_CHECKING:
    from heijunka.policies.burst import Surge, Totals


@click.group
def surge() -> None:
    """Look at surges, and stop them.

    A surge is a few workers more for a while, raised by a burst of jobs. APP is the application's path, such as
    shop.tasks:app; it may be left out when the setting `app` names one, and with --namespace.
    """


@surge.command("list")
@click.argument("app", required=False)
@json_option
@opening.redis_flags
def list_(*, app: str | None, as_json: bool, redis_url: str | None, namespace: str | None) -> None:
    """List the pools with the surge that is on, and what all of theirs have come to."""
    from heijunka_cli.safe_text import json_text, safe_text

    with opening.application(app, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as opened:
        names = set(domains_of(opened))
        pools = [pool for pool in opened.control.pools if not names or pool.domain in names]
        found = [(pool.domain, pool.burst_status(), pool.surge_metrics()) for pool in pools]
    if as_json:
        click.echo(json_text([{"domain": domain, **facts(now, totals)} for domain, now, totals in found]))
        return
    click.echo(
        f"{'DOMAIN':<20} {'NOW':>4} {'SURGES':>6} {'WORKER-HOURS':>12} {'COST':>10} {'SERVED':>10} {'SAVED':>10}"
    )
    for domain, now, totals in found:
        click.echo(
            f"{safe_text(domain):<20} {f'+{now.workers}' if now else '-':>4} {totals.surges:>6} "
            f"{totals.worker_s / 3_600:>12.2f} {totals.cost:>10,.2f} {totals.served:>10,.0f} "
            f"{_hours(totals.avoided_s):>10}"
        )


@surge.command
@click.option("--last", type=click.IntRange(1, 100), default=20, show_default=True, help="How many that ended.")
@json_option
@of_domain
def show(which: Which, *, last: int, as_json: bool) -> None:
    """Show the surge of a pool, and those that ended."""
    from heijunka_cli.safe_text import json_text, safe_text

    pool = which.app.control.pools[which.domain]
    now, totals, ended = pool.burst_status(), pool.surge_metrics(), pool.surges(last)
    if as_json:
        import msgspec

        click.echo(json_text({"domain": which.domain, **facts(now, totals), "ended": msgspec.to_builtins(ended)}))
        return
    if now is None and not ended:
        click.echo(f"{which.domain} has had no surge")
    for one in ([now] if now else []) + ended:
        until = _clock(one.ended_s) if one.ended_s else f"on, +{one.workers} workers"
        click.echo(f"{_clock(one.began_s)} to {until}: {safe_text(one.cause)}")
        click.echo(
            f"    peak {one.peak:.1f} times the baseline, {one.worker_s / 3_600:.2f} worker-hours, "
            f"{one.served:,.0f} jobs served, {_hours(one.avoided_s)} of waiting avoided"
        )
        if one.ending:
            click.echo(f"    ended: {safe_text(one.ending)}")


@surge.command
@json_option
@of_domain
def stop(which: Which, *, as_json: bool) -> None:
    """End the surge of a pool, and begin none for as long as one lasts."""
    from heijunka_cli.safe_text import json_text

    was = which.app.control.pools[which.domain].stop_surge()
    if as_json:
        click.echo(json_text({"domain": which.domain, "stopped": was}))
    else:
        click.echo(f"{which.domain}: {'the surge ends' if was else 'there was no surge'}; none begins for a while")


def facts(now: Surge | None, totals: Totals) -> dict[str, Any]:
    """What is known of a pool's surges, for JSON."""
    import msgspec

    return {"surge": msgspec.to_builtins(now), "totals": msgspec.to_builtins(totals)}


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _hours(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 3_600 else f"{seconds / 3_600:,.1f} h"
