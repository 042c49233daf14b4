"""`heijunka dlq`: dead letters, looked at and dealt with from a shell.

Lists go out line by line as letters are read, so neither `head` nor a hundred thousand letters are a problem.
"""

from __future__ import annotations

import contextlib
import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heijunka_cli.dlq.scope import Scope, scoped
from heijunka_cli.ending import Usage

if TYPE_CHECKING:
    from heijunka.control.letter import Letter

MOST = 1_000_000

limit_option = click.option(
    "--limit", type=click.IntRange(1, MOST, clamp=True), metavar="N", help="So many letters at most."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Only count them.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group
def dlq() -> None:
    """Look at dead letters, retry, change or purge them.

    APP is the application's path, such as shop.tasks:app; it may be left out when the setting `app` names
    one. With it the letters of all its domains are meant and arguments have their types; without it, say
    which --domain. A letter is named by what a list shows first, or by its job's id.
    """


@dlq.command("list")
@click.option("--group", type=click.Choice(["fingerprint", "task", "reason"]), help="Count letters that are alike.")
@click.option("--oldest", is_flag=True, help="The oldest first instead of the newest.")
@click.option(
    "--limit",
    type=click.IntRange(0, MOST, clamp=True),
    default=100,
    show_default=True,
    metavar="N",
    help="So many letters at most; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
@scoped()
def list_(scope: Scope, *, group: str | None, oldest: bool, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first."""
    from heijunka_cli.dlq import view
    from heijunka_cli.safe_text import json_text

    now_ms = scope.app.server_ms()
    if group is not None:
        _list_groups(scope, group, as_json=as_json)
        return
    shown = 0
    for letter in scope.letters(newest=not oldest):
        if limit and shown == limit:
            click.echo(f"the first {limit:,} only; --limit 0 shows all", err=True)
            break
        if not shown and not as_json:
            click.echo(view.HEADER)
        click.echo(json_text(letter.summary(), indent=None) if as_json else view.line(letter, now_ms))
        shown += 1
    if not shown:
        click.echo("no such letters", err=True)


def _list_groups(scope: Scope, by: Any, *, as_json: bool) -> None:
    from heijunka_cli.dlq import view
    from heijunka_cli.safe_text import json_text

    if scope.names:
        raise Usage("letters are named, or grouped; not both")
    now_ms = scope.app.server_ms()
    groups = [group for domain in scope.domains for group in scope.dead.grouped(domain, by, **scope.choice)]
    groups.sort(key=lambda group: -group.letters)
    if groups and not as_json:
        click.echo(view.GROUPS_HEADER.format(by.upper()))
    for group in groups:
        click.echo(json_text(view.group_facts(group), indent=None) if as_json else view.group_line(group, now_ms))
    if not groups:
        click.echo("no such letters", err=True)


@dlq.command
@json_option
@scoped(choosing=False)
def show(scope: Scope, *, as_json: bool) -> None:
    """Show everything about one letter.

    Exit code 3: there is no such letter.
    """
    from heijunka_cli.dlq import view
    from heijunka_cli.safe_text import json_text

    letter, typed = _one(scope), bool(scope.app.tasks)
    if as_json:
        click.echo(json_text(view.facts(letter, scope.dead, typed=typed)))
        return
    for line in view.whole(letter, scope.dead, scope.app.server_ms(), typed=typed):
        click.echo(line)


@dlq.command
@click.option("--rate", metavar="N/s", help="So many jobs a second, or N/m, N/h; all at once when left out.")
@click.option("--priority", type=click.Choice(["high", "normal", "low"]), help="Of the jobs, instead of their own.")
@click.option("--all", "every", is_flag=True, help="All letters of all domains.")
@limit_option
@dry_run_option
@yes_option
@json_option
@scoped()
def retry(
    scope: Scope,
    *,
    rate: str | None,
    priority: Any,
    every: bool,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make letters jobs again, with all their attempts before them.

    Each goes in the very step in which its job comes back. With --rate every job is given its own moment in
    Redis at once, so nobody has to wait here until the last of them is due.

    Asks before it does so, unless letters are named. Exit code 3: a named letter is not there.
    """
    from heijunka.control.spread import rate_per_s
    from heijunka_cli.safe_text import json_text

    _must_be_narrowed(scope, every=every)
    if rate is not None:
        rate_per_s(rate)
    if not (yes or dry_run or scope.names) and not _confirmed(scope, "Retry", limit):
        return
    retried = absent = 0
    last_due_ms: int | None = None
    for domain, names in scope.by_domain():
        left = None if limit is None else limit - retried
        done = scope.dead.retry(
            domain, only=names, rate=rate, priority=priority, limit=left, dry_run=dry_run, **scope.choice
        )
        retried, absent = retried + done.letters, absent + done.absent
        last_due_ms = max(filter(None, (last_due_ms, done.last_due_ms)), default=None)
    if as_json:
        facts = {"retried": retried, "absent": absent, "last_due_ms": last_due_ms, "dry_run": dry_run}
        click.echo(json_text(facts))
        return
    click.echo(f"{'would retry' if dry_run else 'retried'} {retried:,}", err=True)
    if absent:
        click.echo(f"{absent:,} were gone already", err=True)
    if last_due_ms is not None:
        from heijunka.clock import moment

        click.echo(f"the last is due at {moment(last_due_ms).isoformat(sep=' ', timespec='seconds')}", err=True)


@dlq.command
@click.option("--set", "set_", multiple=True, metavar="NAME=JSON", help="Change an argument; may be repeated.")
@click.option("--unset", multiple=True, metavar="NAME", help="Leave an argument to its default; may be repeated.")
@json_option
@scoped(choosing=False)
def edit(scope: Scope, *, set_: tuple[str, ...], unset: tuple[str, ...], as_json: bool) -> None:
    """Change what a letter's task will be called with.

    Opens $EDITOR with its arguments when nothing is --set. With an application they are held to the task's
    signature. The job keeps its id and the change is noted; the letter gets another name, which is printed.

    Exit code 3: there is no such letter.
    """
    from heijunka.control.plain import encoded
    from heijunka_cli.safe_text import json_text

    letter = _one(scope)
    if set_ or unset:
        change, drop = dict(map(_assignment, set_)), unset
    else:
        change, drop = _edited(letter)
        if not (change or drop):
            click.echo("nothing changed", err=True)
            return
    import msgspec

    typed = {name: msgspec.msgpack.decode(encoded(value)) for name, value in change.items()}
    changed = scope.dead.edit(letter.domain, letter.entry, change=typed, drop=drop, by=_user())
    click.echo(json_text(changed.facts()) if as_json else changed.entry)


@dlq.command
@click.option("--all", "every", is_flag=True, help="All letters of all domains.")
@click.option(
    "--keep",
    type=click.IntRange(0, MOST, clamp=True),
    metavar="N",
    help="So many of the newest are kept; the older ones go.",
)
@limit_option
@dry_run_option
@yes_option
@json_option
@scoped()
def purge(
    scope: Scope, *, every: bool, keep: int | None, limit: int | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete letters for good, and count them.

    Asks before it does so. With --keep, or --keep and --older-than, a domain is kept within bounds: what
    exceeds either goes, the oldest first.

    Exit code 3: a named letter is not there.
    """
    from heijunka_cli.safe_text import json_text

    _must_be_narrowed(scope, every=every or keep is not None)
    if keep is not None:
        purged = _trimmed(scope, keep, yes=yes, dry_run=dry_run or limit is not None)
    elif not (yes or dry_run) and not _confirmed(scope, "Purge", limit):
        return
    else:
        purged = 0
        for domain, names in scope.by_domain():
            left = None if limit is None else limit - purged
            purged += scope.dead.purge(domain, only=names, limit=left, dry_run=dry_run, **scope.choice)
    if as_json:
        click.echo(json_text({"purged": purged, "dry_run": dry_run}))
    else:
        click.echo(f"{'would purge' if dry_run else 'purged'} {purged:,}", err=True)


@dlq.command
@click.option("-o", "--output", type=Path, metavar="FILE", help="Where to; stdout when left out.")
@click.option("--json", is_flag=True, expose_value=False, help="What it prints anyway.")
@scoped()
def export(scope: Scope, *, output: Path | None) -> None:
    """Write letters as JSON lines, the oldest first.

    Each has everything that `show --json` has: the arguments, the failure, and the whole job in base64. A
    file is there when all of it is, and only for its owner to read.
    """
    from heijunka_cli.complete_file import complete_file
    from heijunka_cli.dlq import view
    from heijunka_cli.safe_text import json_text

    written, typed = 0, bool(scope.app.tasks)
    with complete_file(output) as into:
        for letter in scope.letters():
            into.write(json_text(view.facts(letter, scope.dead, typed=typed), indent=None) + "\n")
            written += 1
    click.echo(f"exported {written:,}", err=True)


def _one(scope: Scope) -> Letter:
    if len(scope.names) != 1:
        raise Usage("name one letter", hint="a letter is named by what `heijunka dlq list` shows first")
    return next(scope.letters())


def _must_be_narrowed(scope: Scope, *, every: bool) -> None:
    if not (scope.narrowed or every):
        raise Usage(
            "that would be every letter of every domain", hint="say which with --domain, --reason …, or write --all"
        )


def _confirmed(scope: Scope, verb: str, limit: int | None) -> bool:
    """Ask, unless there is nothing to ask about. Aborts at a no."""
    from heijunka_cli.safe_text import safe_text

    counted = sum(
        scope.dead.retry(domain, only=names, dry_run=True, **scope.choice).letters
        for domain, names in scope.by_domain()
    )
    counted = counted if limit is None else min(counted, limit)
    if not counted:
        click.echo("no such letters", err=True)
        return False
    where = safe_text(", ".join(scope.domains))
    click.confirm(f"{verb} {counted:,} {'letter' if counted == 1 else 'letters'} of {where}?", abort=True, err=True)
    return True


def _trimmed(scope: Scope, keep: int, *, yes: bool, dry_run: bool) -> int:
    if scope.names or dry_run or set(scope.choice) - {"older_than"}:
        raise Usage("--keep goes with --domain and --older-than alone")
    older_than = scope.choice.get("older_than")
    if not yes:
        aged = f"what is older than {older_than}, and " if older_than is not None else ""
        where = ", ".join(scope.domains)
        click.confirm(f"Purge {aged}all but the {keep:,} newest letters of {where}?", abort=True, err=True)
    return sum(scope.dead.trim(domain, keep=keep, older_than=older_than) for domain in scope.domains)


def _assignment(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not (name and equals):
        raise Usage(f"--set {word!r} is no NAME=JSON", hint="such as --set cents=99")
    try:
        return name, json.loads(value)
    except ValueError:
        raise Usage(f"--set {name}: the value is no JSON", hint=f"a text has quotes: --set '{name}=\"…\"'") from None


def _edited(letter: Letter) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What somebody changed of a letter's arguments in their editor."""
    from heijunka_cli.safe_text import json_text

    before = letter.arguments()
    if not isinstance(before, dict):
        raise Usage("its arguments cannot be read, so they cannot be edited")
    written = click.edit(json_text(before) + "\n", extension=".json")
    while written is not None:
        try:
            after = json.loads(written)
        except ValueError as error:
            click.echo(f"that is no JSON: {error}", err=True)
            click.confirm("Edit again?", default=True, abort=True, err=True)
            written = click.edit(written, extension=".json", require_save=False)
            continue
        if not isinstance(after, dict):
            raise Usage("arguments are an object: names and values")
        change = {name: value for name, value in after.items() if name not in before or value != before[name]}
        return change, tuple(name for name in before if name not in after)
    return {}, ()


def _user() -> str:
    with contextlib.suppress(OSError, KeyError):
        return getpass.getuser()
    return ""
