"""`heijunka doctor`: each thing that could keep jobs from running is one line, and its word is not its colour."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.clock import Milliseconds
from heijunka.keys import domain_keys
from heijunka.server import EmbeddedServer
from heijunka_cli.page import page
from tests.cli.conftest import SHOP, Call, Done
from tests.fixtures.server import Server

Fresh = Callable[..., Server]

OF_REDIS = ["server", "role", "eviction", "memory", "persistence", "latency", "clock", "scripts"]


def checks(done: Done) -> dict[str, tuple[str, str]]:
    """What each check said: its word and its text, by name; of several of a name the last."""
    lines = [line for line in done.out.splitlines() if not line.startswith(" ")]
    return {line[6:17].strip(): (line[:4].strip(), line[19:]) for line in lines}


def hints(done: Done) -> list[str]:
    return [line.strip() for line in done.out.splitlines() if line.startswith(" ")]


def test_all_is_well_where_all_is_well(call: Call, fresh_server: Fresh) -> None:
    url = fresh_server(appendonly="yes").url

    done = call("doctor", "--redis-url", url)

    found = checks(done)
    assert (0, "13 checks, all ok") == (done.code, done.err.strip())
    assert ["python", "packages", "settings", "app", "redis", *OF_REDIS] == list(found)
    assert {"ok"} == {word for word, _ in found.values()}
    assert (url, "flag --redis-url") == tuple(found["redis"][1].rstrip(")").split(" ("))
    assert [] == hints(done)


def test_every_check_is_documented(call: Call) -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", page(), re.MULTILINE))

    assert {*checks(call("doctor", SHOP)), "reachable"} <= documented


def test_it_says_where_each_setting_was_decided(call: Call, redis_url: str, namespace: str) -> None:
    found = checks(call("doctor"))

    given = "redis_url (environment HEIJUNKA_REDIS_URL), namespace (environment HEIJUNKA_NAMESPACE)"
    assert ("ok", f"given: {given}") == found["settings"]
    assert ("ok", f"{redis_url} (environment HEIJUNKA_REDIS_URL)") == found["redis"]


def test_json_says_the_same(call: Call, fresh_server: Fresh) -> None:
    url = fresh_server(**{"maxmemory-policy": "volatile-lru"}).url

    done = call("doctor", "--json", "--redis-url", url)

    found = json.loads(done.out)
    assert (1, "", False) == (done.code, done.err, found["healthy"])
    assert ["python", "packages", "settings", "app", "redis", *OF_REDIS] == [each["check"] for each in found["checks"]]
    assert {
        "check": "eviction",
        "status": "fail",
        "says": "maxmemory-policy is volatile-lru: jobs may be deleted when memory is full",
        "hint": "set maxmemory-policy noeviction: CONFIG SET for now, redis.conf for good",
    } in found["checks"]


# -- Redis ------------------------------------------------------------------------------------------


def test_a_redis_that_does_not_answer_fails(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEIJUNKA_REDIS_TIMEOUT", "50ms")

    done = call("doctor", "--redis-url", "redis://:s3cret@localhost:1/0")

    assert 1 == done.code
    assert ("ok", "redis://:***@localhost:1/0 (flag --redis-url)") == checks(done)["redis"]
    word, text = checks(done)["reachable"]
    assert ("fail", True) == (word, text.startswith("Redis at redis://:***@localhost:1/0 cannot be reached: "))
    assert ["hint: is it running, and is the URL right? `heijunka doctor` looks"] == hints(done)
    assert "7 checks" not in done.out
    assert "6 checks: 1 failed, 0 warned\n" == done.err


def test_a_password_that_is_refused_fails_without_being_shown(call: Call, fresh_server: Fresh) -> None:
    server = fresh_server()
    server.driver().config_set("requirepass", "r1ght")

    done = call("doctor", "--redis-url", server.url.replace("unix://", "unix://:wr0ng@"))

    assert 1 == done.code
    assert "fail" == checks(done)["reachable"][0]
    assert "wr0ng" not in done.out


def test_a_redis_that_is_too_old_fails_by_what_it_does(call: Call, too_old: str) -> None:
    done = call("doctor", SHOP, "--redis-url", too_old)

    found = checks(done)
    assert 1 == done.code
    assert ("fail", "Redis 6.2.14 is too old: Heijunka needs Redis >= 7.0 or Valkey >= 7.2") == found["server"]
    assert {"scripts", "domain"}.isdisjoint(found)


# -- the application --------------------------------------------------------------------------------


@pytest.fixture
def served(client: Client, namespace: str) -> Callable[[str], None]:
    """Gives a domain a worker."""

    def serve(domain: str) -> None:
        client.execute(commands.join(domain_keys(namespace, domain), "worker-1", ttl=Milliseconds(60_000)))

    return serve


def test_it_says_which_domains_nobody_serves(call: Call, served: Callable[[str], None]) -> None:
    call("enqueue", SHOP, "note", "hi")
    served("delivery")

    done = call("doctor", SHOP)

    assert 0 == done.code, "a missing worker is a warning"
    assert ("ok", f"{SHOP}: 6 tasks in 2 domains") == checks(done)["app"]
    assert ("ok", "all annotations resolve") == checks(done)["tasks"]
    lines = [line for line in done.out.splitlines() if " domain " in line]
    assert [
        "warn  domain       payment: 0 workers, 1 job waiting, 0 running",
        "ok    domain       delivery: 1 worker, 0 jobs waiting, 0 running",
    ] == lines
    assert [f"hint: start one: heijunka worker {SHOP} -d payment"] == [hint for hint in hints(done) if "worker" in hint]


def test_a_hint_names_no_application_that_the_settings_name(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEIJUNKA_APP", SHOP)

    done = call("doctor")

    assert [f"hint: start one: heijunka worker -d {domain}" for domain in ("payment", "delivery")] == [
        hint for hint in hints(done) if "worker" in hint
    ]


def test_annotations_that_do_not_resolve_fail(call: Call, app_file: Callable[[str], str]) -> None:
    path = app_file("@app.task\ndef charge(order: 'Ordre'): ...\n@app.task\ndef good(n: int): ...")

    done = call("doctor", path)

    assert 1 == done.code
    assert ("fail", "an annotation of task charge cannot be resolved: name 'Ordre' is not defined") == checks(done)[
        "tasks"
    ]
    assert OF_REDIS[-1] in checks(done), "the rest is looked at all the same"


def test_an_application_that_cannot_be_loaded_fails(call: Call, app_file: Callable[[str], str]) -> None:
    done = call("doctor", app_file("1 / 0"))

    assert 1 == done.code
    word, text = checks(done)["app"]
    assert ("fail", True) == (word, text.startswith("mistaken.py:app cannot be loaded: ZeroDivisionError"))


def test_an_application_without_a_task_fails(call: Call, app_file: Callable[[str], str]) -> None:
    assert ("fail", "the application has no task") == checks(call("doctor", app_file("")))["tasks"]


def test_what_the_application_says_itself_counts(call: Call, app_file: Callable[[str], str], redis_url: str) -> None:
    path = app_file(f"app = Heijunka('own', redis_url={redis_url!r})\n@app.task\ndef idle(): ...")

    assert ("ok", f"{redis_url} (argument)") == checks(call("doctor", path))["redis"]


def test_a_wrong_setting_fails_and_is_the_last_thing_looked_at(call: Call) -> None:
    Path("heijunka.toml").write_text("leese = 1\n")

    done = call("doctor")

    assert (1, ["python", "packages", "settings"]) == (done.code, list(checks(done)))
    assert ("fail", "there is no setting 'leese' (heijunka.toml:1)") == checks(done)["settings"]
    assert ["hint: did you mean 'lease'?"] == hints(done)


def test_nothing_that_an_application_says_moves_the_cursor(call: Call, app_file: Callable[[str], str]) -> None:
    done = call("doctor", app_file(r"raise ValueError('x\x1b[2J\u202e')"))

    assert r"ValueError: x\x1b[2J\u202e" in checks(done)["app"][1]


# -- the embedded server ----------------------------------------------------------------------------


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """The embedded server of a user who has configured none."""
    monkeypatch.delenv("HEIJUNKA_REDIS_URL")
    monkeypatch.setenv("HEIJUNKA_STATE_DIR", str(tmp_path / "state"))
    with tempfile.TemporaryDirectory(prefix="hj-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        server = EmbeddedServer()
        yield server
        server.stop(force=True)


def test_without_a_redis_the_embedded_server_is_started_for_the_look(call: Call, embedded: EmbeddedServer) -> None:
    done = call("doctor")

    word, text = checks(done)["redis"]
    assert ("ok", True) == (word, text.startswith("none is configured: the embedded server, started to look at it ("))
    assert ("ok", "append-only file is on") == checks(done)["persistence"]
    assert not embedded.status().running


def test_one_that_runs_is_looked_at_and_goes_on(call: Call, embedded: EmbeddedServer) -> None:
    with embedded:
        done = call("doctor")
        assert embedded.status().running

    assert "the embedded server, running, 1 user (unix://" in checks(done)["redis"][1]


def test_in_production_a_missing_url_fails(
    call: Call, embedded: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "production")

    done = call("doctor")

    assert (1, "redis") == (done.code, list(checks(done))[-1])
    assert ("fail", "the embedded server does not start in production: APP_ENV=production") == checks(done)["redis"]
