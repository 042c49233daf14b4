"""How worker processes and their supervisor log: to stderr, one line a record, with its time.

A record that has several lines goes on below, indented, and nothing in it can move the cursor: a job's
arguments or its error can forge no record. On a terminal the time is short and the level has a colour;
elsewhere the line is plain and its time is complete, in UTC.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

import click

from heijunka_cli.safe_text import safe_text

OURS: Final = "heijunka"
AT_START: Final = "at_start"
"""An attribute of records that say why nothing was started: they are shown as a command's error is."""

_COLOURS: Final = {"DEBUG": "blue", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
_BELOW: Final = "\n    "


class Line(logging.Formatter):
    """Formats a record.

    Parameters:
        colour: whether it is for a person at a terminal.
    """

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """One line, and more below when there is more to say."""
        text = super().format(record)  # the message, then traceback and stack
        shown = _BELOW.join(safe_text(line, longest=None) for line in text.rstrip("\n").split("\n"))
        if getattr(record, AT_START, False):
            return self._refusal(shown)
        name = "" if record.name.partition(".")[0] == OURS else f"{safe_text(record.name)}: "
        if not self._colour:
            at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
            return f"{at.replace('+00:00', 'Z')} {record.levelname} [{record.process}] {name}{shown}"
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        level = click.style(f"{record.levelname:<7}", fg=_COLOURS.get(record.levelname))
        return f"{click.style(at, dim=True)} {level} {name}{shown}"

    def _refusal(self, shown: str) -> str:
        label, text = ("hint:", shown[6:]) if shown.startswith("hint: ") else ("error:", shown)
        if self._colour:
            label = click.style(label, fg="red" if label == "error:" else None, bold=True)
        return f"{label} {text}"


def set_up(level: str) -> None:
    """Let this process log.

    Parameters:
        level: of the least that is logged, such as "INFO".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line(colour=sys.stderr.isatty() and not os.environ.get("NO_COLOR")))
    logging.basicConfig(level=level, handlers=[handler])
