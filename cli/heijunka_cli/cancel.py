"""`heijunka cancel`: end jobs by their ids, wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from heijunka_cli import opening
from heijunka_cli.ending import Code, Usage

if TYPE_CHECKING:
    from heijunka.app.jobbyid import JobById


@click.command
@click.argument("words", nargs=-1, metavar="[APP] JOB...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each job.")
@opening.redis_flags
@click.pass_context
def cancel(
    ctx: click.Context, *, words: tuple[str, ...], as_json: bool, redis_url: str | None, namespace: str | None
) -> None:
    """Cancel jobs that wait or run.

    APP is the application's path, such as shop.tasks:app; it may be left out when the setting `app` names
    one. JOBs are ids, as enqueue prints them.

    Prints for each job what became of it: cancelled (nobody ran it, and nobody will), cancelling (a worker runs it and
    is told; it ends as cancelled unless it is done before), ended (it had before), or unknown.

    Exit code 3: there is no trace of one of the jobs.
    """
    from heijunka_cli.safe_text import json_text

    given = [word for word in words[:1] if _id(word) is None]
    overrides = opening.overrides_of(redis_url=redis_url, namespace=namespace)
    which = opening.named(given[0] if given else None, overrides)
    ids = words[len(given) :]
    if not ids:
        raise Usage("no job is named", hint="write the ids that heijunka enqueue printed")
    for word in ids:
        if _id(word) is None:
            raise Usage(f"{word!r} is no job's id", hint="an id looks like 018f2c3e-0000-7000-8000-000000000001")
    code = Code.OK
    with opening.load(which) as app:
        jobs: list[JobById] = [app.job(word) for word in ids]
        for job in jobs:
            outcome = job.cancel()
            click.echo(json_text({"id": job.id, "outcome": outcome}, indent=None) if as_json else f"{job.id} {outcome}")
            if outcome == "unknown":
                code = Code.NOT_FOUND
    ctx.exit(code)


def _id(word: str) -> bytes | None:
    from heijunka import wire

    try:
        return wire.id_bytes(word)
    except ValueError:
        return None
