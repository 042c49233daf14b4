"""`heijunka enqueue`: one call of a task, from a shell.

The job's id is all that stdout gets; with `--wait` it is the result instead, as JSON, and the id is talk.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from heijunka_cli import opening
from heijunka_cli.ending import Usage

if TYPE_CHECKING:
    from heijunka.app import Heijunka, Job
    from heijunka.app.enqueueable import BaseTask, Enqueueable

FOR_EVER = "for ever"


@click.command
@click.argument("words", nargs=-1, metavar="[APP] TASK [ARGS]...")
@click.option("--args", "arguments", metavar="JSON", help="All arguments at once; - reads them from stdin.")
@click.option("--priority", type=click.Choice(["high", "normal", "low"]), help="Of this job within its domain.")
@click.option("--delay", metavar="DURATION", help="How much later it may start, such as 5m.")
@click.option("--at", metavar="TIME", help="When it may start, such as 2030-01-01T09:00+01:00.")
@click.option("--deadline", metavar="WHEN", help="After that long, or after that time, it must not start any more.")
@click.option(
    "--wait", is_flag=False, flag_value=FOR_EVER, metavar="[DURATION]", help="Wait for the result and print it as JSON."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@opening.redis_flags
def enqueue(
    *,
    words: tuple[str, ...],
    arguments: str | None,
    priority: str | None,
    delay: str | None,
    at: str | None,
    deadline: str | None,
    wait: str | None,
    as_json: bool,
    redis_url: str | None,
    namespace: str | None,
) -> None:
    """Enqueue one call of a task.

    APP is the application's path, such as shop.tasks:app; it may be left out when the setting `app` names
    one. ARGS are JSON values or plain texts, by place or as NAME=VALUE, and are read in the types of the
    task's signature. Write -- before arguments that begin with a dash.

    Prints the job's id. Exit code 1: the job failed. 3: there is no such task. 75: the wait was over first.
    """
    from heijunka_cli import arguments as reading

    path, name, rest = _sorted(words, opening.overrides_of(redis_url=redis_url, namespace=namespace))
    with opening.load(path) as app:
        task = _task(app, name)
        if arguments is None:
            bound = reading.from_words(task, rest)
        elif rest:
            raise Usage("arguments are given twice", hint="write all of them in --args, or none")
        else:
            bound = reading.from_json(task, sys.stdin.read() if arguments == "-" else arguments)
        patience = _patience(wait)
        call = _called(task, waits=wait is not None, priority=priority, delay=delay, at=at, deadline=deadline)
        job = call.enqueue(*bound.args, **bound.kwargs)
        _print(job, wait=wait is not None, patience=patience, as_json=as_json)


def _sorted(words: tuple[str, ...], overrides: dict[str, Any]) -> tuple[opening.Named, str | None, tuple[str, ...]]:
    """Which application, which task, and the words that are left."""
    configured = opening.settings_of(overrides).app
    given = configured is None or (bool(words) and _is_path(words[0]))
    path, words = (words[0] if words else None, words[1:]) if given else (None, words)
    which = opening.named(path, overrides)
    return which, words[0] if words else None, words[1:]


def _is_path(word: str) -> bool:
    """Whether a word can be an application's path only, and no task's name."""
    return ":" in word or "/" in word or word.endswith(".py")


def _task(app: Heijunka, name: str | None) -> BaseTask[Any, Any]:
    from heijunka.errors import UnknownTask

    every = f"its tasks are {', '.join(app.tasks)}" if app.tasks else "it has none: decorate a function with @task"
    if name is None:
        raise Usage(f"no task of {app.name} is named", hint=every)
    try:
        return app.named(name)
    except UnknownTask as error:
        error.hint = error.hint or every
        raise


def _patience(wait: str | None) -> float | None:
    if wait is None or wait == FOR_EVER:
        return None
    from heijunka.clock import duration_ms
    from heijunka.errors import InvalidOption

    try:
        return duration_ms(wait, option="wait") / 1_000
    except InvalidOption as error:
        raise Usage(str(error), hint=f"{error.hint}; without a duration, write --wait last") from None


def _called(task: BaseTask[Any, Any], *, waits: bool, **given: str | None) -> Enqueueable[Any, Any]:
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "at" in options:
        options["at"] = _moment(options["at"], "at")
    if "deadline" in options:
        options["deadline"] = _duration_or_moment(options["deadline"])
    kept_ms = task.task_options.keep_result_ms
    if waits and not (task.app.settings.keep_result_ms if kept_ms is None else kept_ms):
        options["keep_result"] = "10m"  # who waits for a result asks for one
    return task.options(**options)


def _moment(text: str, option: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"--{option} {text!r} is no time", hint="write it as 2030-01-01T09:00+01:00") from None


def _duration_or_moment(text: str) -> str | datetime:
    from heijunka.clock import duration_ms
    from heijunka.errors import InvalidOption

    try:
        duration_ms(text, option="deadline")
    except InvalidOption:
        if text.startswith("-"):
            raise
        return _moment(text, "deadline")
    return text


def _print(job: Job[Any], *, wait: bool, patience: float | None, as_json: bool) -> None:
    import msgspec

    from heijunka.app.signature import encode_hook
    from heijunka.errors import ResultTimeout
    from heijunka_cli.safe_text import json_text, safe_json

    facts = {"id": job.id, "task": job.task, "domain": job.domain, "accepted_ms": job.accepted_ms}
    if not wait:
        click.echo(json_text(facts) if as_json else job.id)
        return
    click.echo(f"waiting for {job.id}", err=True)
    try:
        value = job.result(timeout=patience)
    except ResultTimeout as error:
        error.hint = "the job stays enqueued"
        raise
    result = msgspec.json.encode(value, enc_hook=encode_hook)
    if as_json:
        result = msgspec.json.format(msgspec.json.encode({**facts, "result": msgspec.Raw(result)}), indent=2)
    click.echo(safe_json(result.decode()))
