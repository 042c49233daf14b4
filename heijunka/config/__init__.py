"""Settings: what there is, where each value came from, and what it may be.

A value is looked for in this order: arguments and flags, the environment (`HEIJUNKA_*`), a settings file
(`heijunka.toml`, or `[tool.heijunka]` in `pyproject.toml`), the default. It is read and checked in the same
way wherever it stands, and it remembers where that was. Nothing is cached: two calls read twice.
"""

from heijunka.config.load import load_settings
from heijunka.config.redact import redact_url
from heijunka.config.settings import SETTINGS, Setting, Settings
from heijunka.config.suggest import did_you_mean

__all__ = ["SETTINGS", "Setting", "Settings", "did_you_mean", "load_settings", "redact_url"]
