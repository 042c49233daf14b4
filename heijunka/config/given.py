"""A setting as a source gives it: not yet read, but with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from heijunka.config.suggest import did_you_mean
from heijunka.errors import UnknownSetting


class Given(msgspec.Struct, frozen=True):
    """One value of one source.

    Attributes:
        name: of the setting.
        value: as it was written.
        origin: where it was written, for people.
    """

    name: str
    value: object
    origin: str


def no_setting(name: str, origin: str, known: Iterable[str]) -> UnknownSetting:
    """The error for a name that is no setting. Its value is left out: it may be a password."""
    names = list(known)
    hint = did_you_mean(name, names) or f"there are {', '.join(names)}"
    return UnknownSetting(f"there is no setting {name!r} ({origin})", hint=hint, setting=name, origin=origin)
