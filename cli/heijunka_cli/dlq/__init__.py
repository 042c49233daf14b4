"""`heijunka dlq`: the commands, which letters they are about, and how letters look."""

from heijunka_cli.dlq.commands import dlq

__all__ = ["dlq"]
