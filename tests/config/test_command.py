"""`heijunka config show`."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from heijunka.config import SETTINGS, load_settings
from heijunka.errors import UnknownSetting
from heijunka_cli.config import config


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in filter(lambda name: name.startswith("HEIJUNKA_"), list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEIJUNKA_REDIS_URL", "redis://:s3cret@localhost/0")
    (tmp_path / "pyproject.toml").write_text("[tool.heijunka]\nlease = '90s'\nslots = 2\nkeep_result = 'none'\n")


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(config, ["show", *arguments], catch_exceptions=False)
    assert 0 == done.exit_code, done.output
    return done.stdout


def test_show_prints_every_setting_with_passwords_hidden() -> None:
    printed = shown()

    assert list(SETTINGS) == [line.split(" = ")[0] for line in printed.splitlines()]
    assert 'redis_url = "redis://:***@localhost/0"\n' in printed
    assert "s3cret" not in printed


def test_what_show_prints_is_a_settings_file_with_the_same_values(tmp_path: Path) -> None:
    before = load_settings()
    printed = shown("--origin").replace("***", "s3cret")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "heijunka.toml").write_text(printed)

    after = load_settings(environ={}, directory=tmp_path / "copy")

    assert set(SETTINGS) == tomllib.loads(printed).keys()
    assert [getattr(before, s.field) for s in SETTINGS.values()] == [getattr(after, s.field) for s in SETTINGS.values()]


def test_show_origin_says_who_decided_each_value() -> None:
    lines = shown("--origin").splitlines()

    origins = {line.split(" = ")[0]: line.rsplit("# ")[-1] for line in lines}
    expected = dict.fromkeys(SETTINGS, "default") | {
        "redis_url": "environment HEIJUNKA_REDIS_URL",
        "lease": "pyproject.toml:2",
        "slots": "pyproject.toml:3",
        "keep_result": "pyproject.toml:4",
    }
    assert expected == origins


def test_show_json_has_numbers_units_and_origins() -> None:
    found = json.loads(shown("--json"))

    assert list(SETTINGS) == list(found)
    assert {"value": 90_000, "unit": "ms", "origin": "pyproject.toml:2"} == found["lease"]
    assert {"value": 262_144, "unit": "bytes", "origin": "default"} == found["max_payload"]
    assert {"value": 2, "unit": "", "origin": "pyproject.toml:3"} == found["slots"]
    assert {"value": None, "unit": "", "origin": "default"} == found["namespace"]
    assert "redis://:***@localhost/0" == found["redis_url"]["value"]


def test_show_refuses_what_the_library_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEIJUNKA_LEESE", "1")

    with pytest.raises(UnknownSetting):
        shown()
