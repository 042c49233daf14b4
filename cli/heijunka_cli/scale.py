"""`heijunka scale`: how many workers a pool has, ordered or explained."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import click

from heijunka_cli import opening
from heijunka_cli.ending import Usage
from heijunka_cli.limits import known

if TYPE_CHECKING:
    from heijunka.control.pools import PoolOf

_SIZE = re.compile(r"[+-]?\d{1,6}|auto")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[APP] DOMAIN SIZE | explain [APP] DOMAIN")
@click.option("--last", type=click.IntRange(1, 100), default=20, show_default=True, help="How many decisions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@opening.redis_flags
def scale(*, words: tuple[str, ...], last: int, as_json: bool, redis_url: str | None, namespace: str | None) -> None:
    r"""Say how many workers a pool should have, or why it has so many.

    \b
    heijunka scale payment 12         twelve, whatever its load
    heijunka scale payment +2         two more than it should have now
    heijunka scale payment -1         one fewer
    heijunka scale payment auto       what the leader finds right, again
    heijunka scale explain payment    its last decisions, the newest first

    APP is the application's path, such as shop.tasks:app; it may be left out when the setting `app` names one, and
    with --namespace. An order stands until auto. Whoever goes finishes what it runs.
    """
    from heijunka_cli.safe_text import json_text

    explaining = bool(words) and words[0] == "explain"
    given = words[1:] if explaining else words[:-1]
    if not 1 <= len(given) <= 2:
        hint = "heijunka scale payment 12, or: heijunka scale explain payment"
        raise Usage("a pool and a size are to be named", hint=hint)
    if not explaining and _SIZE.fullmatch(words[-1]) is None:
        raise Usage(f"{words[-1]!r} is no size", hint="write a number, +2, -1 or auto")
    overrides = opening.overrides_of(redis_url=redis_url, namespace=namespace)
    with opening.application(given[0] if len(given) > 1 else None, overrides) as app:
        pool = app.control.pools[known(app, given[-1])]
        if explaining:
            _explain(pool, last, as_json=as_json)
            return
        workers = _ordered(pool, words[-1])
        if as_json:
            mode = "auto" if workers is None else "manual"
            click.echo(json_text({"domain": pool.domain, "target": workers, "mode": mode}))
        elif workers is None:
            click.echo(f"{pool.domain}: sized by its load again")
        else:
            click.echo(f"{pool.domain}: {workers} workers, until heijunka scale {pool.domain} auto")


def _ordered(pool: PoolOf, size: str) -> int | None:
    if size == "auto":
        pool.auto()
        return None
    return pool.adjust_workers(int(size)) if size[0] in "+-" else pool.scale_to(int(size))


def _explain(pool: PoolOf, last: int, *, as_json: bool) -> None:
    import msgspec

    from heijunka_cli.safe_text import json_text, safe_text

    decisions = pool.explain(last)
    if as_json:
        click.echo(json_text(msgspec.to_builtins(decisions)))
    elif not decisions:
        click.echo(f"nothing was decided about {pool.domain}")
    else:
        for one in decisions:
            at = datetime.fromtimestamp(one.at_ms / 1_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            click.echo(f"{at}  {one.before:>3} → {one.after:<3}  {safe_text(one.reason)}")
