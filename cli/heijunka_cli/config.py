"""`heijunka config`: the settings in effect, and who decided each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from heijunka.config import Setting, Settings


@click.group
def config() -> None:
    """Look at the settings."""


@config.command
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: numbers in ms or bytes, origins included.")
def show(origin: bool, as_json: bool) -> None:
    """Show every setting, with passwords hidden.

    What is printed is a heijunka.toml. docs/settings.md says what each setting means.
    """
    from heijunka.config import SETTINGS, load_settings

    settings = load_settings()
    if as_json:
        found = {name: _facts(settings, setting) for name, setting in SETTINGS.items()}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    lines = {name: f"{name} = {_toml(settings, setting)}" for name, setting in SETTINGS.items()}
    width = max(map(len, lines.values()))
    for name, line in lines.items():
        click.echo(f"{line:<{width}}  # {settings.origin(name)}" if origin else line)


def _facts(settings: Settings, setting: Setting) -> dict[str, Any]:
    value = getattr(settings, setting.field)
    shown = settings.shown(setting.name) if isinstance(value, str) else value
    return {"value": shown, "unit": setting.kind.unit, "origin": settings.origin(setting.name)}


def _toml(settings: Settings, setting: Setting) -> str:
    shown = settings.shown(setting.name)
    if isinstance(setting.default, int) and not setting.kind.unit and shown != "none":
        return shown
    return json.dumps(shown, ensure_ascii=False)
