"""Which dead letters an operator means: by task, reason, fingerprint and age."""

from __future__ import annotations

import re
from typing import Any, Final, TypedDict, Unpack

import msgspec

from heijunka.clock import Duration, duration_ms
from heijunka.config import did_you_mean
from heijunka.control.letter import Letter
from heijunka.errors import InvalidOption

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{4,12}", re.ASCII)


class ChoiceKeywords(TypedDict, total=False):
    """Which letters are meant: those that fit everything that is given.

    Keys:
        task: the task's name.
        reason: why they died, such as "retries" or "poison".
        fingerprint: of the failure; its first 4 digits or more will do.
        older_than: only letters that have lain here for longer (seconds, or text such as "7d").
        newer_than: only letters that have lain here for no longer.
    """

    task: str | None
    reason: str | None
    fingerprint: str | None
    older_than: Duration | None
    newer_than: Duration | None


class Choice(msgspec.Struct, frozen=True):
    """Which letters are meant.

    Attributes:
        task: the task's name, "" for any.
        reason: why they died, "" for any.
        fingerprint: how it begins, "" for any.
        older_than_ms: the least age, or None.
        newer_than_ms: the greatest age, or None.
    """

    task: str = ""
    reason: str = ""
    fingerprint: str = ""
    older_than_ms: int | None = None
    newer_than_ms: int | None = None

    @property
    def by_age(self) -> bool:
        """Whether one needs to know the time."""
        return self.older_than_ms is not None or self.newer_than_ms is not None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is meant, its age apart: that is decided by where one looks."""
        return (
            (not self.task or letter.task == self.task)
            and (not self.reason or letter.reason == self.reason)
            and (not self.fingerprint or letter.fingerprint.startswith(self.fingerprint))
        )

    def span(self, now_ms: int) -> tuple[str, str]:
        """Between which entry ids letters of the wanted age are, the older first."""
        oldest, newest = "-", "+"
        if self.newer_than_ms is not None:
            oldest = str(max(0, now_ms - self.newer_than_ms))
        if self.older_than_ms is not None:
            newest = f"({max(0, now_ms - self.older_than_ms)}-0"
        return oldest, newest


EVERY: Final = Choice()


def chosen(**given: Unpack[ChoiceKeywords]) -> Choice:
    """Check the keywords that say which letters are meant.

    Raises:
        InvalidOption: there is no such keyword, or it cannot have this value.

    Example:
        >>> chosen(reason="poison", older_than="7d").older_than_ms
        604800000
    """
    for name in given:
        if name not in ChoiceKeywords.__annotations__:
            hint = did_you_mean(name, ChoiceKeywords.__annotations__)
            raise InvalidOption(f"letters are not chosen by {name!r}", hint=hint, option=name)
    print_ = (given.get("fingerprint") or "").lower()
    if print_ and not _FINGERPRINT.fullmatch(print_):
        raise InvalidOption(
            f"fingerprint {print_!r} is none", hint="4 to 12 digits of those that a list shows", option="fingerprint"
        )
    return Choice(
        task=given.get("task") or "",
        reason=given.get("reason") or "",
        fingerprint=print_,
        older_than_ms=_age_ms(given.get("older_than"), "older_than"),
        newer_than_ms=_age_ms(given.get("newer_than"), "newer_than"),
    )


def _age_ms(value: Any, option: str) -> int | None:
    return None if value is None else duration_ms(value, option=option)
