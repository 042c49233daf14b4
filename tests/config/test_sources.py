"""Where settings come from, and which source decides."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from heijunka.config import SETTINGS, Settings, load_settings
from heijunka.errors import ConfigError, InvalidSetting, UnknownSetting

Load = Callable[..., Settings]
Giver = Callable[[str, str], Settings]
Places = Callable[[str], str]


def test_without_any_source_every_setting_has_its_default(load: Load) -> None:
    settings = load()

    assert Settings() == settings
    assert {"default"} == {settings.origin(name) for name in SETTINGS}


def test_a_value_reads_the_same_from_every_source_and_remembers_which(give: Giver, places: Places) -> None:
    settings = give("lease", " 1m30s ")

    assert Settings(lease_ms=90_000, origins={"lease": places("lease")}) == settings
    assert places("lease") == settings.origin("lease")
    assert "default" == settings.origin("grace")


def test_a_wrong_value_is_refused_alike_from_every_source(give: Giver, places: Places) -> None:
    with pytest.raises(InvalidSetting) as refused:
        give("lease", "2h")

    assert f"lease '2h' is too large ({places('lease')})" == str(refused.value)
    assert "write a duration from 1s to 10m" == refused.value.hint
    assert ("lease", places("lease")) == (refused.value.setting, refused.value.origin)


def test_an_unknown_name_is_refused_by_every_source_with_the_nearest_name(give: Giver, places: Places) -> None:
    with pytest.raises(UnknownSetting) as refused:
        give("leese", "s3cret")

    origin = places("leese").removesuffix(" HEIJUNKA_LEESE")
    known = "HEIJUNKA_LEASE" if origin == "environment" else "lease"
    name = "HEIJUNKA_LEESE" if origin == "environment" else "leese"
    assert f"there is no setting {name!r} ({origin})" == str(refused.value)
    assert f"did you mean {known!r}?" == refused.value.hint
    assert (name, origin) == (refused.value.setting, refused.value.origin)


def test_a_name_that_is_near_nothing_gets_the_list_of_what_there_is(load: Load) -> None:
    with pytest.raises(UnknownSetting) as refused:
        load({"xyzzy": 1})

    assert f"there are {', '.join(SETTINGS)}" == refused.value.hint


def test_an_argument_beats_the_environment_which_beats_the_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").write_text("slots = 2\nattempts = 2\nprocesses = 20\n")
    environ = {"HEIJUNKA_SLOTS": "3", "HEIJUNKA_ATTEMPTS": "30"}

    settings = load({"slots": 4}, environ=environ)

    origins = {
        "slots": "argument",
        "attempts": "environment HEIJUNKA_ATTEMPTS",
        "processes": "heijunka.toml:3",
    }
    assert Settings(slots=4, attempts=30, processes=20, origins=origins) == settings


def test_a_wrong_value_that_is_overridden_does_no_harm(load: Load) -> None:
    settings = load({"slots": 4}, environ={"HEIJUNKA_SLOTS": "many"})

    assert 4 == settings.slots


def test_overrides_tell_their_origins_together_or_one_by_one(tmp_path: Path) -> None:
    settings = load_settings(
        {"slots": 4, "lease": 20},
        origin_of_overrides="Heijunka(...)",
        origins={"lease": "flag --lease"},
        environ={},
        directory=tmp_path,
    )

    assert ("Heijunka(...)", "flag --lease") == (settings.origin("slots"), settings.origin("lease"))


def test_none_is_a_value_where_a_setting_may_be_none(load: Load) -> None:
    environ = {"HEIJUNKA_REDIS_URL": "redis://production", "HEIJUNKA_KEEP_RESULT": "1h"}

    settings = load({"redis_url": None, "keep_result": None}, environ=environ)

    assert (None, 0) == (settings.redis_url, settings.keep_result_ms)
    assert "argument" == settings.origin("redis_url")


def test_none_is_refused_where_a_setting_has_to_have_a_value(load: Load) -> None:
    with pytest.raises(InvalidSetting, match="slots None is not a whole number"):
        load({"slots": None})


def test_an_empty_variable_is_no_value_and_never_falls_through_to_the_embedded_server(load: Load) -> None:
    with pytest.raises(InvalidSetting) as refused:
        load(environ={"HEIJUNKA_REDIS_URL": ""})

    assert "redis_url '' is empty (environment HEIJUNKA_REDIS_URL)" == str(refused.value)


def test_the_back_off_may_not_start_above_its_cap_wherever_the_two_stand(load: Load, tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").write_text("retry_cap = '5s'")

    with pytest.raises(InvalidSetting) as refused:
        load(environ={"HEIJUNKA_RETRY_BASE": "6s"})

    expected = "retry_base 6s (environment HEIJUNKA_RETRY_BASE) is longer than retry_cap 5s (heijunka.toml:1)"
    assert expected == str(refused.value)


# -- the environment -----------------------------------------------------------------------------


def test_the_process_environment_is_read_when_none_is_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in filter(lambda name: name.startswith("HEIJUNKA_"), list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HEIJUNKA_SLOTS", "7")

    assert 7 == load_settings(directory=tmp_path).slots


def test_variables_of_other_readers_are_left_alone(load: Load) -> None:
    others = {
        "HEIJUNKA_ENV": "production",
        "HEIJUNKA_SERVER_BINARY": "/usr/bin/valkey-server",
        "HEIJUNKA_STATE_DIR": "/var/lib/heijunka",
        "HEIJUNKA_TEST_REDIS": "unix:///tmp/a.sock",
        "HEIJUNKAS": "1",
        "PATH": "/bin",
    }

    assert Settings() == load(environ=others)


def test_what_kubernetes_adds_for_a_service_called_heijunka_is_left_alone(load: Load) -> None:
    links = {
        "HEIJUNKA_SERVICE_HOST": "10.0.0.11",
        "HEIJUNKA_SERVICE_PORT": "6379",
        "HEIJUNKA_SERVICE_PORT_HTTP_WEB": "8080",
        "HEIJUNKA_PORT": "tcp://10.0.0.11:6379",
        "HEIJUNKA_PORT_6379_TCP": "tcp://10.0.0.11:6379",
        "HEIJUNKA_PORT_6379_TCP_PROTO": "tcp",
        "HEIJUNKA_REDIS_MASTER_PORT": "tcp://10.0.0.11:6379",
        "HEIJUNKA_REDIS_MASTER_PORT_6379_TCP_ADDR": "10.0.0.11",
    }

    assert Settings() == load(environ=links)


def test_a_port_that_kubernetes_did_not_write_is_an_unknown_setting(load: Load) -> None:
    with pytest.raises(UnknownSetting, match="'HEIJUNKA_PORT'"):
        load(environ={"HEIJUNKA_PORT": "6379"})


# -- files ---------------------------------------------------------------------------------------


def test_the_nearest_file_upwards_is_the_one_that_counts(tmp_path: Path) -> None:
    here = tmp_path / "shop" / "src"
    here.mkdir(parents=True)
    (tmp_path / "heijunka.toml").write_text("slots = 2\nattempts = 2")
    (tmp_path / "shop" / "pyproject.toml").write_text("[tool.heijunka]\nslots = 3")
    (here / "pyproject.toml").write_text("[project]\nname = 'not about heijunka'")

    settings = load_settings(environ={}, directory=here)

    assert Settings(slots=3, origins={"slots": "../pyproject.toml:2"}) == settings


def test_the_current_directory_is_the_start_when_none_is_passed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "heijunka.toml").write_text("slots = 2")
    monkeypatch.chdir(tmp_path)

    assert 2 == load_settings(environ={}).slots


def test_a_deleted_current_directory_has_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert Settings() == load_settings(environ={})


def test_an_empty_own_file_ends_the_search(tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").write_text("slots = 2")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "heijunka.toml").touch()

    assert Settings() == load_settings(environ={}, directory=tmp_path / "inner")


def test_two_files_in_one_directory_are_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").write_text("slots = 2")
    (tmp_path / "pyproject.toml").write_text("[tool.heijunka]\nattempts = 3")

    with pytest.raises(ConfigError, match=r"has settings in heijunka\.toml and in pyproject\.toml"):
        load()


def test_a_file_that_is_not_toml_is_an_error_with_its_line(load: Load, tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").write_text("slots = 2\nlease = 20s\n")

    with pytest.raises(ConfigError, match=r"heijunka\.toml is not TOML: .*line 2"):
        load()


def test_a_file_that_is_not_utf_8_is_an_error(load: Load, tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").write_bytes("app = 'läden'".encode("latin-1"))

    with pytest.raises(ConfigError, match=r"heijunka\.toml is not TOML"):
        load()


def test_a_file_that_cannot_be_opened_is_an_error(load: Load, tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").symlink_to("heijunka.toml")

    with pytest.raises(ConfigError, match=r"heijunka\.toml cannot be read"):
        load()


def test_a_project_of_that_name_without_settings_is_no_settings_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'heijunka'\n[tool.ruff]\nline-length = 100")

    assert Settings() == load()


def test_a_value_in_the_place_of_the_table_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nheijunka = 'shop.tasks:app'")

    with pytest.raises(ConfigError) as refused:
        load()

    assert "write [tool.heijunka]" == refused.value.hint


def test_a_table_in_the_place_of_a_value_is_refused_with_its_line(load: Load, tmp_path: Path) -> None:
    (tmp_path / "heijunka.toml").write_text("slots = 2\n\n[lease]\nlong = '20s'\n")

    with pytest.raises(InvalidSetting, match=r"lease .* is not a duration \(heijunka\.toml:3\)"):
        load()


def test_an_unknown_table_is_refused_with_its_line(load: Load, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.heijunka]\nslots = 2\n[tool.heijunka.lanes.payment]\nn = 3\n")

    with pytest.raises(UnknownSetting, match=r"there is no setting 'lanes' \(pyproject\.toml:3\)"):
        load()
