"""Tell failures that are the same from failures that differ: a short hash that is stable across hosts and releases.

What is hashed is the task, the reason, the error's type and where in the application's own code it was raised. Line
numbers and folders are left out, so a fingerprint outlives a deployment. An error without frames of the
application's own is told by its message instead, with what differs between two of the same kind blotted out.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

DIGITS: Final = 12
"""Hexadecimal digits of a fingerprint."""

INNERMOST: Final = 3
"""Frames that count: where it was raised, and on whose behalf."""

_FRAME: Final = re.compile(r'^[\s|+]*File "([^"]+)", line \d+, in (\S+)', re.MULTILINE)
_CHAINED: Final = re.compile(r"^[\s|]*(?:The above exception was|During handling of the above)", re.MULTILINE)
_FOLDERS: Final = re.compile(r".*[\\/]")
_FOREIGN: Final = re.compile(
    r"[\\/](?:site-packages|dist-packages)[\\/]|[\\/]lib(?:64)?[\\/]python3(?:\.\d+)?[\\/]"
    r"|[\\/]heijunka[\\/](?:app|broker|commands|worker)[\\/]|^<(?!stdin)"
)
_BLOTS: Final = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|«[^»\n]*»|“[^”\n]*”"), "<text>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)
_LONGEST: Final = 2_000


def fingerprint(task: str, reason: str, error_type: str, message: str, traceback: str) -> str:
    """The fingerprint of a failure.

    Parameters:
        task: its task's name.
        reason: why the job died.
        error_type: the exception's class, or "".
        message: the exception's text, or what happened.
        traceback: as Python prints it, or "".

    Returns:
        12 hexadecimal digits.

    Example:
        >>> one = fingerprint("charge", "retries", "ValueError", "order 17 has no card 'x'", "")
        >>> one == fingerprint("charge", "retries", "ValueError", "order 18 has no card 'y'", "")
        True
    """
    frames = own_frames(traceback)
    told = (task, reason, error_type, *(frames or (blotted(message),)))
    hashed = hashlib.blake2b("\0".join(told).encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2)
    return hashed.hexdigest()


def own_frames(traceback: str) -> tuple[str, ...]:
    """Where in the application's own code an error was raised, as `file:function`, the innermost last.

    Of chained exceptions the last one counts: the one that ended the attempt.

    Parameters:
        traceback: as Python prints it.
    """
    *_, last = _CHAINED.split(traceback)
    own = [
        f"{_FOLDERS.sub('', file)}:{function}" for file, function in _FRAME.findall(last) if not _FOREIGN.search(file)
    ]
    return tuple(own[-INNERMOST:])


def blotted(message: str) -> str:
    """A message without numbers, ids and quoted text.

    Example:
        >>> blotted("no order 17 in 'eu-1' for 018f2c3e-0000-7000-8000-000000000000")
        'no order <n> in <text> for <id>'
    """
    text = message[:_LONGEST]
    for found, instead in _BLOTS:
        text = found.sub(instead, text)
    return text.strip()
