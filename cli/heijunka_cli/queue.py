"""`heijunka queue`: queues are looked at, held back, let go on and emptied."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from heijunka_cli import opening
from heijunka_cli.ending import Usage
from heijunka_cli.limits import domains_of, json_option, known

if TYPE_CHECKING:
    from heijunka.app import Heijunka
    from heijunka.control.queues import Queue

HEADER = f"{'QUEUE':<28} {'WAITING':>11} {'RUNNING':>9}"


class Meant(NamedTuple):
    """The application and the queues that a command is about."""

    app: Heijunka
    name: str


def of_queue(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the words `[APP] QUEUE` and the flags of Redis, and call it with what they name."""

    @functools.wraps(command)
    def called(words: tuple[str, ...], redis_url: str | None, namespace: str | None, **given: Any) -> Any:
        from heijunka.control.queues import named

        if not 1 <= len(words) <= 2:
            raise Usage(
                "one queue is to be named", hint="write it like high.payment, behind the application's path if any"
            )
        overrides = opening.overrides_of(redis_url=redis_url, namespace=namespace)
        with opening.application(words[0] if len(words) > 1 else None, overrides) as app:
            known(app, named(words[-1]).domain)
            return command(Meant(app, words[-1]), **given)

    return click.argument("words", nargs=-1, metavar="[APP] QUEUE")(opening.redis_flags(called))


@click.group
def queue() -> None:
    """Look at queues, hold them back, let them go on, empty them.

    A QUEUE is a priority of a domain, such as high.payment; the domain's name alone means all three.

    APP is the application's path, such as shop.tasks:app; it may be left out when the setting `app` names one, and
    with --namespace.
    """


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
        names = domain or domains_of(opened)
        if not names:
            raise Usage("no domain is named", hint="write --domain NAME, or the application's path")
        found = [each for name in names for each in opened.control.queues.show(known(opened, name))]
    _tell(found, as_json=as_json)


@queue.command
@json_option
@of_queue
def show(meant: Meant, *, as_json: bool) -> None:
    """Show what waits and runs in a queue, and whether it is paused."""
    _tell(meant.app.control.queues.show(meant.name), as_json=as_json)


@queue.command
@json_option
@of_queue
def pause(meant: Meant, *, as_json: bool) -> None:
    """Let nothing be pulled from a queue; jobs are accepted into it, and wait in their order.

    Nothing is pulled from it once the command is done. What workers have pulled and not started goes back within
    200 ms; what runs goes on.
    """
    _tell(meant.app.control.queues.pause(meant.name), as_json=as_json)


@queue.command
@json_option
@of_queue
def resume(meant: Meant, *, as_json: bool) -> None:
    """Let jobs be pulled from a queue again."""
    _tell(meant.app.control.queues.resume(meant.name), as_json=as_json)


@queue.command
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@of_queue
def purge(meant: Meant, *, yes: bool, as_json: bool) -> None:
    """End the jobs that wait in a queue, as cancelled; who waits for their results is told.

    Asks before it does so. What runs goes on, and so does what waits for its time. They are counted as cancelled.
    """
    from heijunka.counted import counted
    from heijunka_cli.safe_text import json_text

    waiting = sum(each.waiting for each in meant.app.control.queues.show(meant.name))
    if not yes:
        jobs = counted(waiting, "job")
        click.confirm(f"End {jobs} waiting in {meant.name}?", abort=True, err=True)
    ended = meant.app.control.queues.purge(meant.name)
    if as_json:
        click.echo(json_text({"queue": meant.name, "purged": ended}))
    else:
        click.echo(f"purged {ended:,}", err=True)


def _tell(queues: Sequence[Queue], *, as_json: bool) -> None:
    from heijunka_cli.safe_text import json_text

    if as_json:
        import msgspec

        click.echo(json_text(msgspec.to_builtins(list(queues))))
        return
    click.echo(HEADER)
    for each in queues:
        state = "  paused" if each.paused else ""
        click.echo(f"{each.name:<28} {each.waiting:>11,} {each.running:>9,}{state}")
