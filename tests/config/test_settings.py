"""The settings as a whole: their names, their defaults, their documentation."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heijunka.config import SETTINGS, Settings, did_you_mean
from heijunka.config.environment import NOT_SETTINGS, PREFIX, TESTS
from heijunka.config.page import page

ROOT = Path(__file__).parents[2]


def test_every_field_is_a_setting_and_ends_in_its_unit() -> None:
    fields = {name: name + "_ms" * (setting.kind.unit == "ms") for name, setting in SETTINGS.items()}

    assert set(Settings.__struct_fields__) == {*fields.values(), "origins"}
    assert fields == {name: setting.field for name, setting in SETTINGS.items()}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_default_is_a_value_that_could_have_been_written(name: str) -> None:
    kind, default = SETTINGS[name].kind, SETTINGS[name].default

    assert default == kind.read(kind.show(default))


def test_the_environment_names_a_setting_in_capitals() -> None:
    assert "HEIJUNKA_REDIS_URL" == SETTINGS["redis_url"].variable


def test_every_variable_that_the_library_reads_is_known_to_the_settings() -> None:
    """Or setting it would be refused as a misspelled setting."""
    known = {setting.variable for setting in SETTINGS.values()} | NOT_SETTINGS.keys() | {PREFIX, TESTS}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "heijunka").rglob("*.py")]

    named = {name for source in sources for name in re.findall(r'"(HEIJUNKA_[A-Z_]*)"', source)}

    assert PREFIX in named
    assert set() == named - known


@pytest.mark.parametrize(
    ("written", "read"), [(True, "yes"), ("1", "yes"), ("on", "yes"), (False, "no"), ("0", "no"), ("Auto", "auto")]
)
def test_the_embedded_server_is_permitted_in_any_of_the_usual_words(written: object, read: str) -> None:
    assert read == SETTINGS["embedded"].kind.read(written)


def test_settings_cannot_be_changed() -> None:
    settings = Settings()

    with pytest.raises(AttributeError):
        settings.slots = 3  # type: ignore[misc]


def test_settings_travel_to_other_processes_with_their_origins() -> None:
    settings = Settings(slots=3, origins={"slots": "flag --slots"})

    assert settings == pickle.loads(pickle.dumps(settings)) == copy.copy(settings)  # noqa: S301


def test_the_origin_of_what_is_no_setting_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Settings().origin("lease_ms")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("redis_ulr", "did you mean 'redis_url'?"),
        ("Redis-URL", "did you mean 'redis_url'?"),
        ("url", "did you mean 'redis_url'?"),
        ("lease_ms", "did you mean 'lease'?"),
        ("keep_results_for", "did you mean 'keep_result'?"),
        ("timeouts", "did you mean 'timeout'?"),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_a_misspelled_name_is_answered_with_the_nearest(written: str, meant: str | None) -> None:
    assert meant == did_you_mean(written, SETTINGS)


def test_the_documentation_page_says_what_the_code_does() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert page() == written, "run: python -m heijunka.config docs/settings.md"


def test_the_documentation_page_is_written_by_one_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "heijunka.config"]

    subprocess.run([*command, tmp_path / "settings.md"], cwd=ROOT, check=True)
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout

    assert page().encode() == (tmp_path / "settings.md").read_bytes() == printed


def test_settings_are_read_without_loading_what_only_files_and_mistakes_need(tmp_path: Path) -> None:
    code = (
        "import sys; from heijunka.config import load_settings; load_settings(environ={}); "
        "print(*sorted({'tomllib', 'difflib', 'redis', 'click', 'rich'} & sys.modules.keys()))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert [] == loaded
