"""The `heijunka` command.

Whatever a command raises ends here, as an exit code and at most two lines; see `heijunka_cli.ending`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from heijunka._version import __version__
from heijunka_cli.ending import Code, forget_stdout, tell
from heijunka_cli.lazy import LazyGroup

PROGRAM: Final = "heijunka"
COMPLETION: Final = "_HEIJUNKA_COMPLETE"
"""Set by a shell that asks for completions."""

SUMMARIES: Final = {
    "worker": "Run the jobs of an application.",
    "coordinator": "Lead the pools, or wait to.",
    "enqueue": "Enqueue one call of a task.",
    "cancel": "Cancel jobs that wait or run.",
    "dlq": "Look at dead letters, retry, change or purge them.",
    "limits": "Look at what bounds domains, and change it.",
    "queue": "Look at queues, pause, resume and purge them.",
    "drain": "Let a domain take no jobs, and finish what it has.",
    "undrain": "Let a drained domain take jobs again.",
    "status": "Show the pools of an application.",
    "scale": "Say how many workers a pool should have, or why it has so many.",
    "surge": "Look at surges, and stop them.",
    "rebalance": "Move workers from the least used pool to the most used one.",
    "breaker": "Look at the breakers of workers, and close them.",
    "simulate": "Play a load trace against a pool that Heijunka sizes.",
    "load-test": "Send jobs to live workers and time them.",
    "doctor": "Look for what would keep jobs from running.",
    "config": "Look at the settings.",
    "server": "Run the embedded server by hand.",
    "demo": "See real work done by real workers.",
    "completion": "Print a script that completes commands in a shell.",
}
"""The commands; each one's first line of help stands here too, so that listing them imports none."""


class Root(LazyGroup):
    """Calls a command and turns what it raises into an end."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = PROGRAM,
        complete_var: str | None = COMPLETION,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line.

        Returns:
            The exit code, unless `standalone_mode`: then the process ends with it.
        """
        try:
            ended = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            ended = tell(error)
        except click.Abort:
            ended = Code.INTERRUPTED
        code = int(ended) if isinstance(ended, int) else Code.OK
        if standalone_mode:
            sys.exit(int(code))
        return code

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the options before the command; `--help` and `--version` print here."""
        with _writing():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command."""
        with _writing():
            try:
                return super().invoke(ctx)
            except (click.exceptions.Exit, BrokenPipeError):
                raise
            except KeyboardInterrupt:
                click.echo(err=True)  # the terminal has written ^C
                ctx.exit(Code.INTERRUPTED)
            except click.Abort as abort:
                if isinstance(abort.__context__, KeyboardInterrupt):
                    ctx.exit(Code.INTERRUPTED)
                click.echo("aborted", err=True)
                ctx.exit(Code.UNHEALTHY)
            except Exception as error:  # noqa: BLE001 - every other end passes through here
                ctx.exit(tell(error, debug=ctx.params["debug"]))


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        forget_stdout()
        raise click.exceptions.Exit(Code.PIPE_CLOSED) from None


@click.group(
    PROGRAM,
    cls=Root,
    summaries=SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: heijunka demo",
)
@click.version_option(__version__, prog_name=PROGRAM)
@click.option("--debug", is_flag=True, help="Show tracebacks of errors that say all by themselves, too.")
def main(debug: bool) -> None:
    """Level the load: a Redis-backed task queue."""
