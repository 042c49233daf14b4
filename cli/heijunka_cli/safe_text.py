r"""Make text that came from somewhere else safe to show in a terminal or a log.

Names, arguments and errors reach us from users and from Redis, and whoever can enqueue a job can put
anything into them: a sequence that rewrites the screen or the clipboard, a line that looks like another log
record, letters that read backwards. Rich and the logging module pass all of that through. So every such text
goes through `safe_text` before it is shown, and every JSON through `json_text`.

What is escaped: C0 and C1 controls, DEL, line and paragraph separators, the marks that change a text's
direction, invisible tag characters, and lone surrogates. A backslash stays as it is: that `\x1b` stood
there literally is possible and harmless.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

LONGEST: Final = 500
"""Characters shown of one text, unless somebody asks for more."""

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPELLED: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def safe_text(text: object, *, longest: int | None = LONGEST) -> str:
    r"""`text` as one line that does nothing to a terminal but to be read.

    Parameters:
        text: anything; what is no text is shown as `str` does, bytes as UTF-8.
        longest: characters at most, the rest is replaced by an ellipsis; None for all.

    Returns:
        The text with what is unsafe written as in a Python literal.

    Example:
        >>> safe_text("charge\x1b[2J\nERROR forged")
        'charge\\x1b[2J\\nERROR forged'
    """
    words = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else str(text)
    if longest is not None and len(words) > longest:
        words = words[: longest - 1] + "…"
    return _UNSAFE.sub(_as_literal, words)


def json_text(value: Any, *, indent: int | None = 2) -> str:
    r"""`value` as JSON that is as safe to show; it reads back as the same value.

    Parameters:
        value: what `json.dumps` takes.
        indent: of nested values; None for a single line.

    Example:
        >>> json_text({"task": "caf\u00e9\x9b"}, indent=None)
        '{"task": "café\\u009b"}'
    """
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    return safe_json(written)


def safe_json(written: str) -> str:
    """JSON that somebody else wrote, as safe to show; it reads back as the same value."""
    # Outside of strings JSON has no such characters but its own line ends and blanks.
    return _UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t\r" else _as_json(found[0]), written)


def _as_literal(found: re.Match[str]) -> str:
    letter, number = found[0], ord(found[0])
    if letter in _SPELLED:
        return _SPELLED[letter]
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _as_json(letter: str) -> str:
    return json.dumps(letter)[1:-1]
