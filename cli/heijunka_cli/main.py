"""The `heijunka` command."""

from __future__ import annotations

import click

from heijunka._version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="heijunka")
def main() -> None:
    """Level the load: a Redis-backed task queue."""
