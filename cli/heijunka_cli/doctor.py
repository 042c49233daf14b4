"""`heijunka doctor`: one line for each thing that could keep jobs from running."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Final

import click

from heijunka_cli import opening
from heijunka_cli.ending import Code

if TYPE_CHECKING:
    from heijunka.control.health import Finding

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
_INDENT: Final = " " * 19


@click.command
@click.argument("app", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@opening.redis_flags
@click.pass_context
def doctor(
    context: click.Context, *, app: str | None, as_json: bool, redis_url: str | None, namespace: str | None
) -> None:
    """Look for what would keep jobs from running.

    One line for each check, which begins with ok, warn or fail. APP is the path of an application, such as
    shop.tasks:app; without it, and without the setting `app`, only Redis and this Python are looked at.
    When no Redis is configured, the embedded server is started for the time of the look.

    Exit code 1: a check failed.
    """
    from heijunka_cli.diagnosis import findings

    found = []
    for finding in findings(app, opening.overrides_of(redis_url=redis_url, namespace=namespace)):
        found.append(finding)
        if not as_json:
            _show(finding)
    healthy = all(finding.status != "fail" for finding in found)
    if as_json:
        import msgspec

        from heijunka_cli.safe_text import json_text

        click.echo(json_text({"healthy": healthy, "checks": msgspec.to_builtins(found)}))
    else:
        click.echo(_summary(found), err=True)
    context.exit(Code.OK if healthy else Code.UNHEALTHY)


def _show(finding: Finding) -> None:
    from heijunka_cli.safe_text import safe_text

    status = click.style(f"{finding.status:<4}", fg=_COLOURS[finding.status])
    click.echo(f"{status}  {safe_text(finding.check):<11}  {_wrapped(safe_text(finding.says, longest=1_000))}")
    if finding.hint:
        click.echo(f"{_INDENT}{_wrapped('hint: ' + safe_text(finding.hint, longest=1_000))}")


def _wrapped(text: str) -> str:
    """`text` below itself on a terminal; one line for everything that reads lines."""
    if not sys.stdout.isatty():
        return text
    width = max(20, shutil.get_terminal_size().columns - len(_INDENT))
    return f"\n{_INDENT}".join(textwrap.wrap(text, width, break_on_hyphens=False)) or text


def _summary(found: list[Finding]) -> str:
    failed = sum(finding.status == "fail" for finding in found)
    warned = sum(finding.status == "warn" for finding in found)
    return f"{len(found)} checks" + (f": {failed} failed, {warned} warned" if failed or warned else ", all ok")
