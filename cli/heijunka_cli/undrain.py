"""`heijunka undrain`: a domain that was drained takes jobs again."""

from __future__ import annotations

import click

from heijunka_cli.limits import Which, facts, json_option, of_domain


@click.command
@json_option
@of_domain
def undrain(which: Which, *, as_json: bool) -> None:
    """Let a drained domain take jobs again."""
    from heijunka_cli.safe_text import json_text

    bounds = which.app.control.limits.drain(which.domain, draining=False)
    if as_json:
        click.echo(json_text(facts(bounds)))
    else:
        click.echo(f"{which.domain} takes jobs", err=True)
