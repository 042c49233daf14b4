"""Put the sources together: the first that has a setting decides it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from heijunka.config.environment import given_in_environment
from heijunka.config.files import given_in_files
from heijunka.config.given import Given, no_setting
from heijunka.config.kinds import Refused
from heijunka.config.settings import SETTINGS, Setting, Settings
from heijunka.errors import InvalidSetting


def load_settings(
    overrides: Mapping[str, object] = {},
    *,
    origin_of_overrides: str = "argument",
    origins: Mapping[str, str] = {},
    environ: Mapping[str, str] = os.environ,
    directory: Path | None = None,
) -> Settings:
    """The settings: overrides, then `HEIJUNKA_*`, then the nearest settings file, then defaults.

    A value that another source overrides is not read, so a flag helps against a broken file; an unknown
    name is refused wherever it stands.

    Parameters:
        overrides: values by setting; None is a value, where a setting may have it.
        origin_of_overrides: where these come from, for people.
        origins: where single ones of them come from, when it differs: {"lease": "flag --lease"}.
        environ: environment variables by name.
        directory: where to look for a settings file first, then upwards; the current directory if None.

    Raises:
        UnknownSetting: there is no such setting; the hint names the nearest.
        InvalidSetting: a value is not what the setting may have.
        ConfigError: a settings file cannot be read.

    Example:
        >>> load_settings({"max_payload": "1MiB"}, environ={"HEIJUNKA_LEASE": "20s"}).lease_ms
        20000
    """
    given: dict[str, Given] = {}
    for each in given_in_files(directory):
        given[each.name] = each
    for each in given_in_environment(environ):
        given[each.name] = each
    for each in _given_in_overrides(overrides, origins, origin_of_overrides):
        given[each.name] = each
    values: dict[str, Any] = {SETTINGS[name].field: _read(SETTINGS[name], each) for name, each in given.items()}
    settings = Settings(**values, origins={name: each.origin for name, each in given.items()})
    _check_together(settings)
    return settings


def _given_in_overrides(overrides: Mapping[str, object], origins: Mapping[str, str], otherwise: str) -> Iterator[Given]:
    for name, value in overrides.items():
        origin = origins.get(name, otherwise)
        if name not in SETTINGS:
            raise no_setting(name, origin, SETTINGS)
        yield Given(name, value, origin)


def _read(setting: Setting, given: Given) -> Any:
    try:
        return setting.kind.read(given.value)
    except Refused as refusal:
        # Not chained: the cause may quote a password.
        raise InvalidSetting(
            f"{setting.name} {setting.kind.quote(given.value)} {refusal} ({given.origin})",
            hint=f"write {setting.kind.allowed}",
            setting=setting.name,
            origin=given.origin,
        ) from None


def _check_together(settings: Settings) -> None:
    if settings.retry_base_ms > settings.retry_cap_ms:
        raise InvalidSetting(
            f"retry_base {settings.shown('retry_base')} ({settings.origin('retry_base')}) is longer than "
            f"retry_cap {settings.shown('retry_cap')} ({settings.origin('retry_cap')})",
            hint="raise retry_cap or lower retry_base",
            setting="retry_base",
            origin=settings.origin("retry_base"),
        )
