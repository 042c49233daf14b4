"""Find the settings file.

The nearest directory that has one wins, from the current directory upwards, and files further up are not
looked at. Two settings files in one directory are refused, because one of them would be ignored in silence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heijunka.config.given import Given, no_setting
from heijunka.config.settings import SETTINGS
from heijunka.errors import ConfigError

if TYPE_CHECKING:
    from heijunka.config.table import Table

OWN: Final = "heijunka.toml"
SHARED: Final = "pyproject.toml"
PLACES: Final[dict[str, tuple[str, ...]]] = {OWN: (), SHARED: ("tool", "heijunka")}
"""Where a file of that name keeps the settings."""


def given_in_files(directory: Path | None) -> Iterator[Given]:
    """What the nearest settings file sets.

    Parameters:
        directory: where to start looking; None is the current directory.

    Raises:
        UnknownSetting: a key is no setting.
        ConfigError: a file cannot be read, or two compete.
    """
    try:
        start = os.path.realpath(directory if directory is not None else Path.cwd())
    except FileNotFoundError:  # the current directory was deleted
        return
    table = _nearest(start)
    if table is None:
        return
    shown = os.path.relpath(table.path, start)
    for name, value in table.values.items():
        origin = f"{shown}:{table.lines[(name,)]}" if (name,) in table.lines else shown
        if name not in SETTINGS:
            raise no_setting(name, origin, SETTINGS)
        yield Given(name, value, origin)


def _nearest(start: str) -> Table | None:
    for directory in (start, *map(str, Path(start).parents)):
        tables = [table for name in PLACES if (table := _table(directory, name)) is not None]
        if len(tables) > 1:
            raise ConfigError(
                f"{directory} has settings in {OWN} and in {SHARED}", hint=f"keep one of them: move all to {OWN}"
            )
        if tables:
            return tables[0]
    return None


def _table(directory: str, name: str) -> Table | None:
    path = os.path.join(directory, name)  # noqa: PTH118 - a hundred times a Path's price, at every level
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - likewise
            data = file.read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        if not os.path.lexists(path):  # a directory that may not be searched hides no file from us
            return None
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if any(part.encode() not in data for part in PLACES[name]):
        return None
    from heijunka.config.table import read_table  # who has no file pays for no parser

    return read_table(path, data, PLACES[name])
