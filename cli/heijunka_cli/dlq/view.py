"""How dead letters look: a line in a list, a group, and everything about one.

Every text of a letter was written by whoever could enqueue a job, so none is shown without `safe_text`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from heijunka_cli.safe_text import safe_text

if TYPE_CHECKING:
    from heijunka.control.dead import DeadLetters, Group
    from heijunka.control.letter import Letter

HEADER: Final = f"{'LETTER':<16} {'AGE':>8}  {'DOMAIN':<12} {'TASK':<16} {'REASON':<12} {'FINGERPRINT':<12}  ERROR"
GROUPS_HEADER: Final = f"{'LETTERS':>8}  {'NEWEST':>8}  {'OLDEST':>8}  {'DOMAIN':<12} {'{}':<16} EXAMPLE"

_ERROR_CHARS: Final = 200
_VALUE_CHARS: Final = 2_000


def line(letter: Letter, now_ms: int) -> str:
    """A letter as one line of a list."""
    head = (
        f"{letter.entry:<16} {_age(letter.since_ms, now_ms):>8}  {_cell(letter.domain, 12)} {_cell(letter.task, 16)} "
        f"{_cell(letter.reason, 12)} {letter.fingerprint}  "
    )
    return head + _rest(_error(letter), head)


def group_line(group: Group, now_ms: int) -> str:
    """A group as one line of a list."""
    example = group.example
    head = (
        f"{group.letters:>8,}  {_age(group.newest_ms, now_ms):>8}  {_age(group.oldest_ms, now_ms):>8}  "
        f"{_cell(example.domain, 12)} {_cell(group.key, 16)} "
    )
    return head + _rest(f"{example.task} {example.reason}: {_error(example)}", head)


def group_facts(group: Group) -> dict[str, Any]:
    """A group in plain values."""
    return {
        "domain": group.example.domain,
        "key": group.key,
        "letters": group.letters,
        "oldest_ms": group.oldest_ms,
        "newest_ms": group.newest_ms,
        "example": group.example.summary(),
    }


def facts(letter: Letter, dead: DeadLetters, *, typed: bool) -> dict[str, Any]:
    """Everything about a letter in plain values.

    Parameters:
        letter: the letter.
        dead: knows the tasks of the application.
        typed: whether there is an application; then `misfit` says why its task cannot be called so, or None.
    """
    known = letter.facts()
    if typed:
        known["misfit"] = _misfit(letter, dead)
    return known


def whole(letter: Letter, dead: DeadLetters, now_ms: int, *, typed: bool) -> Iterator[str]:
    """Everything about a letter, line by line."""
    for label, value in _rows(letter, now_ms):
        yield f"{label:<12} {safe_text(value, longest=_VALUE_CHARS)}"
    for label, text in zip(["arguments"] + [""] * 10_000, _arguments(letter, dead, typed=typed), strict=False):
        yield f"{label:<12} {text}"
    for label, error in zip(["attempts"] + [""] * 100, letter.errors, strict=False):
        what = f"{error.error_type}: {error.message} ({error.worker or 'no worker'})"
        yield f"{label:<12} {error.attempt} {_moment(error.at_ms)} {safe_text(what, longest=_ERROR_CHARS)}"
    for label, note in zip(["changes"] + [""] * 100, letter.notes, strict=False):
        yield f"{label:<12} {_moment(note.at_ms)} {safe_text(note.by)}: {safe_text(note.said)}"
    if letter.failure is not None:
        for label, text in (("traceback", letter.failure.traceback), ("stderr", letter.failure.stderr)):
            if text:
                yield label
                yield from (f"  {safe_text(each, longest=_VALUE_CHARS)}" for each in text.rstrip("\n").split("\n"))


def _rows(letter: Letter, now_ms: int) -> Iterator[tuple[str, str]]:
    from heijunka import wire

    yield "letter", f"{letter.entry} of {letter.domain}"
    yield "job", letter.id or "unknown"
    yield "task", letter.task or "unknown"
    yield "reason", letter.reason
    yield "fingerprint", letter.fingerprint
    yield "error", _error(letter)
    if letter.attempt:
        yield "attempt", f"{letter.attempt}"
    if letter.failure is not None and letter.failure.worker:
        yield "worker", letter.failure.worker
    if letter.failure is not None and letter.failure.signal:
        yield "signal", letter.failure.signal
    elif letter.failure is not None and letter.failure.exit_code is not None:
        yield "exit code", f"{letter.failure.exit_code}"
    if letter.deliveries:
        yield "deliveries", f"{letter.deliveries}: so often a worker died while running it"
    if letter.job is not None:
        yield "enqueued", _moment(wire.id_ms(letter.job.id))
        if letter.job.deadline_ms is not None:
            yield "deadline", _moment(letter.job.deadline_ms)
    yield "here since", f"{_moment(letter.since_ms)} ({_age(letter.since_ms, now_ms)})"


def _arguments(letter: Letter, dead: DeadLetters, *, typed: bool) -> Iterator[str]:
    from heijunka_cli.safe_text import json_text

    misfit = _misfit(letter, dead) if typed else None
    if typed and misfit is None:
        for name, value in dead.typed_arguments(letter).items():
            yield f"{safe_text(name)} = {safe_text(_repr(value), longest=_VALUE_CHARS)}"
        return
    known = letter.arguments()
    if isinstance(known, dict):
        for name, value in known.items():
            yield f"{safe_text(name)} = {safe_text(json_text(value, indent=None), longest=_VALUE_CHARS)}"
    else:
        yield "cannot be read" if known is None else safe_text(json_text(known, indent=None), longest=_VALUE_CHARS)
    if misfit is not None:
        yield f"(as they are stored: {safe_text(misfit)})"


def _misfit(letter: Letter, dead: DeadLetters) -> str | None:
    from heijunka.errors import HeijunkaError

    try:
        dead.typed_arguments(letter)
    except HeijunkaError as error:
        return str(error)
    return None


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a type of the application's own, whose repr may do anything
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _error(letter: Letter) -> str:
    return f"{letter.error_type}: {letter.message}" if letter.error_type else letter.message


def _cell(text: str, width: int) -> str:
    return f"{safe_text(text, longest=60) or '-':<{width}}"


def _rest(text: str, head: str) -> str:
    """What is left of a line, cut to the terminal's width where there is one."""
    width = shutil.get_terminal_size().columns - len(head) if sys.stdout.isatty() else _ERROR_CHARS
    return safe_text(text, longest=max(width, 20))


def _age(since_ms: int, now_ms: int) -> str:
    from heijunka.clock import spell_ms

    days = (now_ms - since_ms) / 86_400_000
    return f"{days:.0f} d" if days >= 3 else spell_ms(max(0, now_ms - since_ms))


def _moment(ms: int) -> str:
    from heijunka.clock import moment

    try:
        return moment(ms).isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"
