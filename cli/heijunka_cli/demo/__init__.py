"""`heijunka demo`: the command, and a file for each part of what it shows."""

from heijunka_cli.demo.command import demo

__all__ = ["demo"]
