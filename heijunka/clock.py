"""Time: units, durations and the few clocks that exist.

Redis's clock is the only clock of scripts. Python's monotonic clock measures how long something took
here, and the wall clock only stamps ids and log lines. Durations are written as seconds (`30`, `0.5`),
as `timedelta`, or as text (`"90s"`, `"5m"`, `"1h30m"`).
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import NewType

from heijunka.errors import InvalidOption

Milliseconds = NewType("Milliseconds", int)
Duration = float | str | timedelta

SERVER_CLOCK = Milliseconds(0)
"""Passed as `now`, it makes a script read Redis's own clock."""

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])")
_LONGEST_MS = 10 * 365 * 86_400_000


def wall_ms() -> Milliseconds:
    """Milliseconds since the epoch by this host's wall clock."""
    return Milliseconds(time.time_ns() // 1_000_000)


def duration_ms(value: Duration, *, option: str = "duration") -> Milliseconds:
    """A duration in milliseconds.

    Parameters:
        value: seconds as a number, a timedelta, or text such as "5m" or "1h30m".
        option: what the duration is for; named in the error.

    Returns:
        Whole milliseconds, from 0 to ten years.

    Raises:
        InvalidOption: the value is negative, not a duration, or longer than ten years.

    Example:
        >>> duration_ms("1h30m"), duration_ms(0.25)
        (5400000, 250)
    """
    given: object = value  # what callers pass is theirs, whatever the annotation says
    if isinstance(given, bool):
        ms = None
    elif isinstance(given, (int, float)):
        ms = given * 1_000
    elif isinstance(given, timedelta):
        ms = given.total_seconds() * 1_000
    elif isinstance(given, str):
        ms = _parse(given)
    else:
        ms = None
    if ms is None or ms != ms:  # noqa: PLR0124 - not a number
        raise InvalidOption(
            f"{option} {value!r} is not a duration",
            hint='write seconds (30, 0.5) or text such as "90s", "5m", "1h30m"',
            option=option,
        )
    if ms < 0:
        raise InvalidOption(f"{option} {value!r} is negative", hint="a duration is 0 or more", option=option)
    if ms > _LONGEST_MS:
        raise InvalidOption(f"{option} {value!r} is longer than ten years", option=option)
    return Milliseconds(round(ms))


def _parse(text: str) -> float | None:
    text = text.strip().lower()
    sign = -1.0 if text.startswith("-") else 1.0
    text = text.lstrip("-")
    try:
        return sign * float(text) * 1_000
    except ValueError:
        pass
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        return None
    return sign * sum(float(number) * _UNITS_MS[unit] for number, unit in parts)


def instant_ms(value: datetime, *, option: str = "at") -> Milliseconds:
    """A moment in milliseconds since the epoch.

    Parameters:
        value: an aware datetime.
        option: what the moment is for; named in the error.

    Raises:
        InvalidOption: the datetime is naive, or no datetime.

    Example:
        >>> instant_ms(datetime(2030, 1, 1, tzinfo=UTC))
        1893456000000
    """
    if not isinstance(value, datetime):
        raise InvalidOption(f"{option} {value!r} is not a datetime", hint="pass an aware datetime", option=option)
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidOption(
            f"{option} {value.isoformat()} has no time zone",
            hint="pass an aware datetime, for example datetime.now(UTC) + timedelta(hours=1)",
            option=option,
        )
    return Milliseconds(round(value.timestamp() * 1_000))


def moment(ms: int) -> datetime:
    """The aware UTC datetime of milliseconds since the epoch."""
    return datetime.fromtimestamp(ms / 1_000, UTC)


def spell_ms(ms: float) -> str:
    """A duration for people: `850 ms`, `12.3 s`, `5 m`.

    Example:
        >>> spell_ms(90_000)
        '90.0 s'
    """
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 120_000:
        return f"{ms / 1_000:.1f} s"
    if ms < 7_200_000:
        return f"{ms / 60_000:.0f} m"
    return f"{ms / 3_600_000:.1f} h"
