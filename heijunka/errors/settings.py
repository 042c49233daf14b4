"""Settings and applications that are not what they should be, found before any work is done."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


class ConfigError(HeijunkaError):
    """A setting is wrong."""


class UnknownSetting(ConfigError):
    """There is no such setting."""

    setting: str
    origin: str


class InvalidSetting(ConfigError):
    """A setting has a value that it cannot have."""

    setting: str
    origin: str


class AppError(HeijunkaError):
    """The application cannot be loaded."""


class AppNotFound(AppError):
    """There is no such application."""

    path: str
