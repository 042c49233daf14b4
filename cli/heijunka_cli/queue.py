"""`heijunka queue`: queues looked at, paused, resumed and purged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from heijunka.counted import counted
from heijunka_cli import opening
from heijunka_cli.ending import Usage
from heijunka_cli.limits import domains_of, json_option, known

if TYPE_CHECKING:
    from heijunka.app import Heijunka
    from heijunka.control.queues import Queue


@click.group
def queue() -> None:
    """Look at queues, pause, resume and purge them.

    A queue is a priority of a domain, such as high.payment; a domain's name alone means all three of it. APP is the
    application's path, such as shop.tasks:app; it may be left out when the setting `app` names one, and with
    --namespace.
    """


def _named(app: Heijunka, name: str) -> str:
    from heijunka.control.queues import split_name

    known(app, split_name(name)[0])
    return name


def _words(words: Sequence[str]) -> tuple[str | None, str]:
    if not 1 <= len(words) <= 2:
        raise Usage(
            "one queue is to be named", hint="such as high.payment, behind the application's path if there is one"
        )
    return (words[0] if len(words) > 1 else None), words[-1]


def _tell(queues: Sequence[Queue], *, as_json: bool) -> None:
    import msgspec

    from heijunka_cli.safe_text import json_text

    if as_json:
        click.echo(json_text(msgspec.to_builtins(list(queues))))
        return
    click.echo(f"{'QUEUE':<32} {'WAITING':>11} {'RUNNING':>9}  STATE")
    for one in queues:
        click.echo(f"{one.name:<32} {one.waiting:>11,} {one.running:>9,}  {'paused' if one.paused else ''}".rstrip())


@queue.command("list")
@click.argument("app", required=False)
@click.option("-d", "--domain", multiple=True, metavar="NAME", help="Only this domain; may be repeated.")
@json_option
@opening.redis_flags
def list_(
    *, app: str | None, domain: tuple[str, ...], as_json: bool, redis_url: str | None, namespace: str | None
) -> None:
    """List the queues of an application's domains."""
    with opening.application(app, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as opened:
        names = tuple(known(opened, name) for name in domain) or domains_of(opened)
        if not names:
            raise Usage("no domain is named", hint="write --domain NAME, or the application's path")
        _tell([one for name in names for one in opened.control.queues.show(name)], as_json=as_json)


@queue.command
@click.argument("words", nargs=-1, metavar="[APP] QUEUE")
@json_option
@opening.redis_flags
def show(*, words: tuple[str, ...], as_json: bool, redis_url: str | None, namespace: str | None) -> None:
    """Show one queue, or those of a domain."""
    path, name = _words(words)
    with opening.application(path, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as app:
        _tell(app.control.queues.show(_named(app, name)), as_json=as_json)


@queue.command
@click.argument("words", nargs=-1, metavar="[APP] QUEUE")
@json_option
@opening.redis_flags
def pause(*, words: tuple[str, ...], as_json: bool, redis_url: str | None, namespace: str | None) -> None:
    """Let no more jobs of a queue be pulled; they are accepted as before.

    What workers hold and have not started goes back, uncharged and in order. What runs goes on.
    """
    path, name = _words(words)
    with opening.application(path, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as app:
        _tell(app.control.queues.pause(_named(app, name)), as_json=as_json)


@queue.command
@click.argument("words", nargs=-1, metavar="[APP] QUEUE")
@json_option
@opening.redis_flags
def resume(*, words: tuple[str, ...], as_json: bool, redis_url: str | None, namespace: str | None) -> None:
    """Let jobs of a queue be pulled again."""
    path, name = _words(words)
    with opening.application(path, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as app:
        _tell(app.control.queues.resume(_named(app, name)), as_json=as_json)


@queue.command
@click.argument("words", nargs=-1, metavar="[APP] QUEUE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@opening.redis_flags
def purge(
    *,
    words: tuple[str, ...],
    yes: bool,
    as_json: bool,
    redis_url: str | None,
    namespace: str | None,
) -> None:
    """Cancel the jobs of a queue that nobody has pulled.

    Who waits for their results is told. Scheduled jobs stay, and so does what runs. Asks before, unless --yes.
    """
    from heijunka_cli.safe_text import json_text

    path, name = _words(words)
    with opening.application(path, opening.overrides_of(redis_url=redis_url, namespace=namespace)) as app:
        queues = app.control.queues
        waiting = sum(one.waiting for one in queues.show(_named(app, name)))
        if not yes:
            click.confirm(f"Cancel {counted(waiting, 'job')} of {name}?", abort=True, err=True)
        ended = queues.purge(name)
    told = f"{counted(ended, 'job')} of {name} cancelled"
    click.echo(json_text({"queue": name, "cancelled": ended}) if as_json else told)
