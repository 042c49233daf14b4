"""Where the embedded server does not start."""

from __future__ import annotations

import pytest

from heijunka.errors import InvalidSetting, ServerRefused
from heijunka.server import EmbeddedServer, refuse_production
from heijunka.server.surroundings import PLATFORMS, STAGES

Environ = dict[str, str]


@pytest.mark.parametrize("variable", STAGES)
@pytest.mark.parametrize("stage", ["production", "Production", "prod"])
def test_an_environment_that_calls_itself_production_is_refused(variable: str, stage: str) -> None:
    with pytest.raises(ServerRefused, match=f"production: {variable}={stage}") as caught:
        refuse_production({variable: stage})

    assert variable == caught.value.facts["sign"]
    assert "HEIJUNKA_REDIS_URL" in (caught.value.hint or "")


@pytest.mark.parametrize(("variable", "product"), PLATFORMS.items())
def test_a_platform_whose_disks_do_not_last_is_refused(variable: str, product: str) -> None:
    with pytest.raises(ServerRefused, match=f"this is {product}"):
        refuse_production({variable: "anything"})


@pytest.mark.parametrize("variable", PLATFORMS)
def test_a_build_on_such_a_platform_is_not_refused(variable: str) -> None:
    refuse_production({variable: "anything", "CI": "true"})


def test_a_build_that_calls_itself_production_is_refused_all_the_same() -> None:
    with pytest.raises(ServerRefused):
        refuse_production({"APP_ENV": "production", "CI": "true"})


@pytest.mark.parametrize("environ", [{}, {"ENV": "development"}, {"APP_ENV": "staging"}, {"ENV": "/etc/production"}])
def test_other_surroundings_are_fine(environ: Environ) -> None:
    refuse_production(environ)


@pytest.mark.parametrize("permission", ["yes", "1", "true", "ON"])
def test_permission_in_the_environment_outweighs_every_sign(permission: str) -> None:
    refuse_production({"ENV": "production", "DYNO": "web.1", "HEIJUNKA_EMBEDDED": permission})


@pytest.mark.parametrize("ban", ["no", "0", "False"])
def test_a_ban_holds_everywhere(ban: str) -> None:
    with pytest.raises(ServerRefused, match="switched off"):
        refuse_production({"HEIJUNKA_EMBEDDED": ban})


def test_the_setting_outweighs_the_environment() -> None:
    refuse_production({"ENV": "production", "HEIJUNKA_EMBEDDED": "no"}, embedded="yes")
    with pytest.raises(ServerRefused):
        refuse_production({"ENV": "production", "HEIJUNKA_EMBEDDED": "yes"}, embedded="auto")


def test_a_permission_that_is_no_word_of_ours_is_an_error() -> None:
    with pytest.raises(InvalidSetting, match="'maybe', which is none of auto, yes and no"):
        refuse_production({"HEIJUNKA_EMBEDDED": "maybe"})


def test_a_refused_server_leaves_nothing_behind(environ: Environ) -> None:
    server = EmbeddedServer(environ={**environ, "APP_ENV": "production"})

    with pytest.raises(ServerRefused):
        server.acquire()
    with pytest.raises(ServerRefused):
        server.start()

    assert not server.directory.exists()
