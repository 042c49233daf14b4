"""A group of commands that imports a command when it is called, not when it is listed.

Help and completion need no more than names and summaries, so both come from a table: `heijunka --help`
imports neither the driver nor msgspec nor rich. A command `name` is the attribute `name` of the module
`heijunka_cli.name`, with _ for each -.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from heijunka_cli.ending import Code, Usage, did_you_mean


class LazyGroup(click.Group):
    """A group whose commands are modules of this package.

    Parameters:
        summaries: by the command's name the first line of its help, in the order of listing.
    """

    def __init__(self, *args: Any, summaries: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """The names, in the order of the table."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        """Import a command; None when there is no such command."""
        if cmd_name not in self.summaries:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"heijunka_cli.{name}"), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help to who names no command, as the error that it is; Click's versions differ here."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(Code.USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` call.

        Raises:
            Usage: there is none, with the nearest name as a hint.
        """
        name = args[0]
        if name not in self.summaries and not ctx.resilient_parsing:
            near = did_you_mean(name, self.summaries)
            raise Usage(f"there is no command {name!r}", hint=near or f"see {ctx.command_path} --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary.rstrip(".")) for name, summary in self.summaries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete a command's name without importing any."""
        from click.shell_completion import CompletionItem

        named = [
            CompletionItem(name, help=summary.rstrip("."))
            for name, summary in self.summaries.items()
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]
