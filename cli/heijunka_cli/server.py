"""`heijunka server`: the embedded server of this user.

Commands that only look never start anything, so `$(heijunka server url)` in a script fails instead of
starting a server that nobody would stop.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from heijunka.server import EmbeddedServer, ServerStatus

UNHEALTHY: Final = 1
NOT_FOUND: Final = 3


@click.group
def server() -> None:
    """Run the embedded server by hand.

    Heijunka starts it by itself when no Redis is configured, and stops it with its last user.
    """


def instance(command: Callable[..., None]) -> Callable[..., None]:
    """Say which instance a command is about."""
    name = click.option("--name", default="default", show_default=True, metavar="NAME", help="Which instance.")
    directory = click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        help="A private instance: the directory that holds its data.",
    )
    return name(directory(command))


@server.command
@instance
def start(name: str, directory: Path | None) -> None:
    """Start the server and keep it.

    It stays without users until `heijunka server stop`, and prints its URL.
    """
    from heijunka.config import load_settings
    from heijunka.server import EmbeddedServer

    url = EmbeddedServer(name, directory=directory, embedded=load_settings().embedded).start()
    click.echo(f"started; it stays until: heijunka server stop{_which(name, directory)}", err=True)
    click.echo(url)


@server.command
@click.option("--force", is_flag=True, help="Stop it although others use it; whoever still needs it starts it again.")
@instance
def stop(force: bool, name: str, directory: Path | None) -> None:
    """Stop the server; its data stays.

    While others use it, this says who and does nothing.
    """
    ran = _open(name, directory).stop(force=force)
    click.echo("stopped" if ran else "it was not running", err=True)


@server.command
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@instance
@click.pass_context
def status(context: click.Context, as_json: bool, name: str, directory: Path | None) -> None:
    """Show what there is.

    Exit code 0: it is ready. 1: it runs, and is loading its data or does not answer. 3: it is not running.
    """
    found = _open(name, directory).status()
    click.echo(_json(found) if as_json else _text(found))
    if not found.running:
        context.exit(NOT_FOUND)
    if found.state != "ready":
        context.exit(UNHEALTHY)


@server.command
@instance
@click.pass_context
def url(context: click.Context, name: str, directory: Path | None) -> None:
    """Print the URL of the running server.

    Exit code 3: it is not running.
    """
    found = _open(name, directory).status()
    if found.url is None:
        click.echo("the server is not running", err=True)
        click.echo(f"hint: heijunka server start{_which(name, directory)}", err=True)
        context.exit(NOT_FOUND)
    click.echo(found.url)


@server.command
@instance
def path(name: str, directory: Path | None) -> None:
    """Print the directory that holds the data and the log."""
    click.echo(_open(name, directory).directory)


@server.command
@click.option("--force", is_flag=True, help="Do it although others use the server.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@instance
def reset(force: bool, yes: bool, name: str, directory: Path | None) -> None:
    """Stop the server and delete its data: every job, result and schedule in it."""
    embedded = _open(name, directory)
    if not yes:
        bytes_ = embedded.status().data_bytes
        click.confirm(f"Delete all data in {embedded.directory} ({bytes_:,} bytes)?", abort=True, err=True)
    embedded.reset(force=force)
    click.echo("deleted", err=True)


def _open(name: str, directory: Path | None) -> EmbeddedServer:
    from heijunka.server import EmbeddedServer

    return EmbeddedServer(name, directory=directory)


def _which(name: str, directory: Path | None) -> str:
    import shlex

    if directory is not None:
        return f" --directory {shlex.quote(str(directory))}"
    return "" if name == "default" else f" --name {name}"


def _json(found: ServerStatus) -> str:
    import json

    import msgspec

    facts: dict[str, Any] = msgspec.to_builtins(found)
    return json.dumps(facts, indent=2, ensure_ascii=False)


def _text(found: ServerStatus) -> str:
    rows = [
        ("state", f"{found.state}, kept until it is stopped" if found.kept and found.running else found.state),
        ("url", found.url),
        ("process", found.pid),
        ("server", f"{found.flavour} {found.version} ({found.binary})" if found.binary is not None else None),
        ("data", f"{found.data_bytes:,} bytes in {found.directory}"),
        ("users", "\n          ".join(map(str, found.users)) or "none"),
    ]
    return "\n".join(f"{label:<9} {value}" for label, value in rows if value is not None)
