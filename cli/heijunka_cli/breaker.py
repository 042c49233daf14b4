"""`heijunka breaker`: circuit breakers of workers, looked at and closed."""

from __future__ import annotations

import click

from heijunka_cli import opening
from heijunka_cli.limits import Which, domains_of, json_option, of_domain


@click.group
def breaker() -> None:
    """Look at the breakers of workers, and close them.

    A worker whose jobs fail again and again stops pulling them, gives back what it has not started, and tries one after
    a while. APP is the application's path, such as shop.tasks:app; it may be left out when the setting `app` names
    one, and with --namespace.
    """


@breaker.command("list")
@click.argument("app", required=False)
@json_option
@opening.redis_flags
def list_(*, app: str | None, as_json: bool, redis_url: str | None, namespace: str | None) -> None:
    """List the domains with how many breakers of their workers are not closed."""
    from heijunka_cli.safe_text import json_text, safe_text

    with opening.application(app, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as opened:
        names = set(domains_of(opened))
        found = [pool.status() for pool in opened.control.pools if not names or pool.domain in names]
    if as_json:
        facts = [{"domain": one.domain, "workers": one.current, "not_closed": one.broken} for one in found]
        click.echo(json_text(facts))
        return
    click.echo(f"{'DOMAIN':<20} {'WORKERS':>7} {'NOT CLOSED':>10}")
    for one in found:
        click.echo(f"{safe_text(one.domain):<20} {one.current:>7} {one.broken:>10}")


@breaker.command
@json_option
@of_domain
def reset(which: Which, *, as_json: bool) -> None:
    """Close the breakers of a domain's workers now."""
    from heijunka_cli.safe_text import json_text

    closed = which.app.control.breakers.reset(which.domain)
    if as_json:
        click.echo(json_text({"domain": which.domain, "not_closed": closed}))
    else:
        said = "no breaker was open" if not closed else f"{closed} breaker{'s' if closed > 1 else ''} told to close"
        click.echo(f"{which.domain}: {said}")
