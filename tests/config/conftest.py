from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from heijunka.config import SETTINGS, Settings, load_settings

Giver = Callable[[str, str], Settings]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Settings as a process sees them whose current directory is `tmp_path` and whose environment is `environ`."""

    def loaded(overrides: Mapping[str, object] = {}, *, environ: Mapping[str, str] = {}) -> Settings:
        return load_settings(overrides, environ=environ, directory=tmp_path)

    return loaded


@pytest.fixture(params=["argument", "environment", "heijunka.toml", "pyproject.toml"])
def give(request: pytest.FixtureRequest, load: Callable[..., Settings], tmp_path: Path) -> Giver:
    """Give one setting a text through one source, every source in turn."""

    def given(name: str, text: str) -> Settings:
        match request.param:
            case "argument":
                return load({name: text})
            case "environment":
                return load(environ={SETTINGS[name].variable if name in SETTINGS else f"HEIJUNKA_{name.upper()}": text})
            case "heijunka.toml":
                (tmp_path / "heijunka.toml").write_text(f"{name} = '{text}'\n")
            case "pyproject.toml":
                (tmp_path / "pyproject.toml").write_text(f"[project]\n\n[tool.heijunka]\n{name} = '{text}'\n")
        return load()

    return given


@pytest.fixture
def places(give: Giver, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """How the source of `give` is named in origins."""

    def place(name: str) -> str:
        return {
            "argument": "argument",
            "environment": f"environment HEIJUNKA_{name.upper()}",
            "heijunka.toml": "heijunka.toml:1",
            "pyproject.toml": "pyproject.toml:4",
        }[request.node.callspec.params["give"]]

    return place
