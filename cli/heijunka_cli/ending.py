"""How a command ends: its exit code, and the two lines that say what went wrong.

Data goes to stdout and talk to stderr. An error is one line, `error: …`, and a second one, `hint: …`, when
there is something to do about it. There is no traceback unless somebody asks for one (`--debug`, or
`log_level = DEBUG`), but an exception that nobody expected always comes with its own: a report of a bug is
worth nothing without.
"""

from __future__ import annotations

import enum
import os
import re
import sys
import traceback
from collections.abc import Iterable
from typing import Final, Self

import click

LONGEST: Final = 2_000
"""Characters of one line of an error."""


class Code(enum.IntEnum):
    """Exit codes; the text is what the documentation says."""

    says: str

    def __new__(cls, number: int, says: str) -> Self:
        """A code with what it says."""
        code = int.__new__(cls, number)
        code._value_ = number
        code.says = says
        return code

    OK = 0, "All is well."
    UNHEALTHY = 1, "What was looked at is not well: a check failed, a job failed, others use the server."
    USAGE = 2, "The command, a setting, the application's path or its code is wrong."
    NOT_FOUND = 3, "There is no such task, job, domain or server."
    UNREACHABLE = 69, "Redis cannot be reached, refuses us, or will not do."
    BUG = 70, "An exception that nobody expected, with its traceback."
    UNFINISHED = 75, "It stopped, or stopped waiting, with work unfinished."
    INTERRUPTED = 130, "It was interrupted."
    PIPE_CLOSED = 141, "Nobody reads its output any more."


class Usage(click.UsageError):
    """A call that cannot be meant.

    Parameters:
        message: what is wrong, in one line.
        hint: what to do next, in one line.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def code_of(error: BaseException) -> Code:
    """The exit code of an error.

    Example:
        >>> from heijunka.errors import RedisUnreachable
        >>> code_of(RedisUnreachable())
        <Code.UNREACHABLE: 69>
    """
    from heijunka import errors

    kinds: list[tuple[type[BaseException] | tuple[type[BaseException], ...], Code]] = [
        ((errors.UnknownTask, errors.JobNotFound), Code.NOT_FOUND),
        (errors.ResultTimeout, Code.UNFINISHED),
        ((errors.JobFailed, errors.ServerInUse), Code.UNHEALTHY),
        ((errors.ScriptError, errors.ScriptSourceError), Code.BUG),
        ((errors.BrokerError, errors.ServerError, errors.Unconfirmed), Code.UNREACHABLE),
        ((errors.HeijunkaError, click.ClickException), Code.USAGE),
    ]
    return next((code for kind, code in kinds if isinstance(error, kind)), Code.BUG)


def tell(error: Exception, *, debug: bool = False) -> Code:
    """Say on stderr what went wrong.

    Parameters:
        error: what was raised.
        debug: whether to show the traceback of an error that says all by itself, too.

    Returns:
        The exit code.
    """
    from heijunka.errors import HeijunkaError

    no_arguments = getattr(click.exceptions, "NoArgsIsHelpError", ())  # not in every version
    if isinstance(error, no_arguments):
        click.echo(error.format_message(), err=True)  # a group without a command: its help
        return Code.USAGE
    if isinstance(error, click.ClickException):
        error_line(_lowered(_message(error)), _hint(error))
    elif isinstance(error, HeijunkaError):
        if debug or _wants_debug():
            _traceback(error)
        error_line(str(error), error.hint)
    else:
        _traceback(error)
        error_line(f"{type(error).__name__}: {error}".rstrip(": "), "nobody expected this; the traceback says where")
    return code_of(error)


def error_line(message: str, hint: str | None = None) -> None:
    """Write the two lines to stderr.

    Parameters:
        message: what is wrong.
        hint: what to do next, or None.
    """
    from heijunka_cli.safe_text import safe_text

    colour = False if os.environ.get("NO_COLOR") else None
    error = click.style("error:", fg="red", bold=True)
    click.echo(f"{error} {safe_text(message, longest=LONGEST)}", err=True, color=colour)
    if hint:
        click.echo(f"{click.style('hint:', bold=True)} {safe_text(hint, longest=LONGEST)}", err=True, color=colour)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming what was probably meant; see `heijunka.config.did_you_mean`."""
    from heijunka.config import did_you_mean as library

    return library(name, known)


def forget_stdout() -> None:
    """Nobody reads our output any more: what is left of it goes nowhere, also at the interpreter's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _message(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name}"
    if unknown := _unknown_command(error):
        return f"there is no command {unknown!r}"
    return error.format_message().rstrip(".")


def _hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    if isinstance(error, Usage) and error.hint is not None:
        return error.hint
    if context is None:
        return None
    near = None
    if isinstance(error, click.NoSuchOption):
        if re.match(r"-[\d.]", error.option_name):
            return "write -- before arguments that begin with a dash"
        near = did_you_mean(error.option_name, _options(context.command))
    elif unknown := _unknown_command(error):
        near = did_you_mean(unknown, getattr(context.command, "commands", ()))
    return near or f"see {context.command_path} --help"


def _unknown_command(error: click.ClickException) -> str | None:
    found = re.match("No such command '([^']+)'", error.message)
    return found[1] if found else None


def _options(command: click.Command) -> list[str]:
    named = [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
    return [option for option in (*named, "--help") if option.startswith("-")]


def _lowered(message: str) -> str:
    """Click begins its messages with a capital; ours begin like the middle of a sentence."""
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def _wants_debug() -> bool:
    from heijunka.config import load_settings
    from heijunka.errors import ConfigError

    try:
        return load_settings().log_level == "DEBUG"
    except ConfigError:
        return False


def _traceback(error: Exception) -> None:
    from heijunka_cli.safe_text import safe_text

    for part in traceback.format_exception(error):
        for line in part.rstrip("\n").split("\n"):
            click.echo(safe_text(line, longest=None), err=True)
