"""`heijunka rebalance`: move workers between pools."""

from __future__ import annotations

import click

from heijunka_cli import opening
from heijunka_cli.limits import json_option


@click.command
@click.argument("app", required=False)
@json_option
@opening.redis_flags
def rebalance(*, app: str | None, as_json: bool, redis_url: str | None, namespace: str | None) -> None:
    """Move workers from the least used pool to the most used one.

    Nothing is moved while the pools are used evenly: while the coefficient of balance, from 0 to 1, is 0.8 at least.
    """
    from heijunka_cli.safe_text import json_text, safe_text

    with opening.application(app, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as opened:
        balance, move = opened.control.pools.balance(), opened.control.pools.rebalance()
    if as_json:
        import msgspec

        click.echo(json_text({"balance": balance, **msgspec.to_builtins(move)}))
    elif move.migrated:
        click.echo(f"{move.migrated} workers from {safe_text(move.source)} to {safe_text(move.destination)}")
        click.echo(safe_text(move.reason))
    else:
        click.echo(f"{safe_text(move.reason)} (balance {balance:.2f})")
