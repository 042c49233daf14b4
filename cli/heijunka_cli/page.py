"""The documentation page of the command line, written from the commands themselves.

`python -m heijunka_cli.page docs/cli.md` writes it, and a test compares it with the file, so the page knows no
option that the command does not have, and misses none. Only what Click's versions agree on is used.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from heijunka_cli.ending import Code
from heijunka_cli.main import main

_HEAD: Final = """\
# The command line

<!-- Written by `python -m heijunka_cli.page docs/cli.md`; edit cli/heijunka_cli/ instead. -->

    heijunka demo                                         # see it work
    heijunka worker shop.tasks:app                        # run jobs
    heijunka enqueue shop.tasks:app charge 7 amount=9.90  # enqueue one
    heijunka doctor shop.tasks:app                        # look for what is wrong

Data goes to stdout, everything else to stderr, so a pipe or `$(…)` gets what it wants and nothing more. Commands
that read have `--json`. An error is one line, `error: …`, mostly with a second one, `hint: …`, that says what to do
next; `heijunka --debug …` adds the traceback. Colours follow words and never replace them; they are left out
when the output is no terminal, and when `NO_COLOR` is set. Text that came from jobs, Redis or other users is shown
with its control characters escaped.

`APP` is the path of an application: `package.module:attribute`, `package.module` when there is only one
application in it, or a file, `tasks.py:app`. It is looked for from the current directory and may be left out when
the setting `app` names one (`HEIJUNKA_APP`, or `app = "shop.tasks:app"` in `heijunka.toml`).

Which Redis: `--redis-url`, else what the settings say, else the embedded server; see [the settings](settings.md).
A Redis that was named and cannot be reached is an error, and nothing else is tried.

## Arguments of `enqueue`

    heijunka enqueue shop.tasks:app charge 018f2c3e-0000-7000-8000-000000000001 9.90    # a UUID and a Decimal
    heijunka enqueue shop.tasks:app charge order=018f2c3e-0000-7000-8000-000000000001 amount=9.90
    heijunka enqueue shop.tasks:app charge --args '{"order": "018f2c3e-…", "amount": "9.90"}'
    heijunka enqueue shop.tasks:app deliver '{"to": "Kyoto", "grams": 300}' express=true
    heijunka enqueue shop.tasks:app note 7                # "7" where the task wants a str, 7 where it wants an int
    heijunka enqueue shop.tasks:app note '"a=b"'          # a text with a = in it
    heijunka enqueue shop.tasks:app shift -- -5           # what begins with a dash

What does not fit the task's signature is refused before anything is sent.

## Checks of `doctor`

"""

_CHECKS: Final = {
    "python": "Which Python runs.",
    "packages": "Versions of the packages that Heijunka asks for; fails when one is missing.",
    "settings": "Which settings were given, and where; fails when one is wrong.",
    "app": "Whether the application loads.",
    "tasks": "Whether the annotations of all tasks resolve into types that can be decoded.",
    "redis": "Which Redis, and where that was decided; for the embedded server, whether it runs.",
    "reachable": "Fails when Redis cannot be reached or refuses us; said only then.",
    "server": "Whether it runs our scripts, whatever version it says it is.",
    "role": "Fails on a read-only replica.",
    "eviction": "Fails unless `maxmemory-policy` is `noeviction`.",
    "memory": "Warns above 80 % of `maxmemory`, fails when it is full.",
    "persistence": "Warns without an append-only file, fails when the disk refuses writes.",
    "latency": "Warns when a round trip takes 5 ms or more.",
    "clock": "Warns when Redis's clock and this host's are a second or more apart.",
    "scripts": "Whether every script loads.",
    "limits": "What bounds each domain of the application; warns when jobs are refused.",
    "domain": "For each domain of the application its workers and jobs; warns when nobody serves it.",
}

_CODES: Final = "\n## Exit codes\n\n"


def page() -> str:
    """The page, in Markdown."""
    codes = _table(("code", "meaning"), [(f"`{code.value}`", code.says) for code in Code])
    root = click.Context(main, info_name=main.name, **main.context_settings)
    checks = _table(("check", "what it looks at"), [(f"`{name}`", text) for name, text in _CHECKS.items()])
    return _HEAD + checks + _CODES + codes + "".join(_described(context) for context in _commands(root))


def _commands(context: click.Context) -> Iterator[click.Context]:
    """Every command that can be called, groups before what is in them."""
    yield context
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is not None and not command.hidden:
                yield from _commands(click.Context(command, info_name=name, parent=context))


def _described(context: click.Context) -> str:
    command = context.command
    options = [
        (f"`{', '.join((*parameter.opts, *parameter.secondary_opts))}{_value(parameter)}`", _meaning(parameter))
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    text = f"\n## `{context.command_path}`\n\n    {_usage(context)}\n\n{_paragraphs(command.help or '')}\n"
    return text + (f"\n{_table(('option', 'meaning'), options)}" if options else "")


def _usage(context: click.Context) -> str:
    command = context.command
    words = [context.command_path]
    if any(isinstance(parameter, click.Option) for parameter in command.params):
        words.append("[OPTIONS]")
    words += [_argument(parameter) for parameter in command.params if isinstance(parameter, click.Argument)]
    if isinstance(command, click.Group):
        words.append("COMMAND [ARGS]...")
    return " ".join(words)


def _argument(parameter: click.Argument) -> str:
    if parameter.metavar is not None:
        return parameter.metavar
    name = "|".join(parameter.type.choices) if isinstance(parameter.type, click.Choice) else str(parameter.name).upper()
    return name if parameter.required else f"[{name}]"


def _value(parameter: click.Option) -> str:
    if parameter.is_flag or parameter.count:
        return ""
    if isinstance(parameter.type, click.Choice):
        return f" {'|'.join(parameter.type.choices)}"
    return f" {parameter.metavar or parameter.type.name.partition(' ')[0].upper()}"


def _meaning(parameter: click.Option) -> str:
    shown = parameter.show_default and parameter.default is not None
    default = f" Default: `{parameter.default}`." if shown else ""
    return f"{parameter.help or ''}{default}"


def _paragraphs(text: str) -> str:
    """A command's help; what Click is told not to wrap becomes a block."""
    parts = []
    for part in inspect.cleandoc(text).split("\n\n"):
        if part.startswith("\b\n"):
            parts.append("\n".join(f"    {line}" for line in part.removeprefix("\b\n").split("\n")))
        else:
            parts.append(part)
    return "\n\n".join(parts)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    rule = tuple("---" for _ in head)
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in (head, rule, *rows))
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
