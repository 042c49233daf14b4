from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from heijunka.server import EmbeddedServer
from heijunka.server.surroundings import PLATFORMS, STAGES
from tests.server.user import User

Environ = dict[str, str]


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A directory for sockets, with a path as short as a real one."""
    directory = Path(tempfile.mkdtemp(prefix="hj-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def environ(tmp_path: Path, runtime: Path) -> Iterator[Environ]:
    """Surroundings whose servers are the test's own, ended behind it."""
    signs = {*STAGES, *PLATFORMS}
    environ = {
        **{name: os.environ[name] for name in os.environ if not name.startswith("HEIJUNKA_") and name not in signs},
        "HOME": str(tmp_path),
        "HEIJUNKA_STATE_DIR": str(tmp_path / "state"),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    if "HEIJUNKA_TEST_SERVER" in os.environ:
        environ["HEIJUNKA_SERVER_BINARY"] = os.environ["HEIJUNKA_TEST_SERVER"]
    yield environ
    for lock in tmp_path.rglob("alive.lock"):
        EmbeddedServer(directory=lock.parent, environ=environ).stop(force=True)


@pytest.fixture
def server(environ: Environ) -> EmbeddedServer:
    """The default instance."""
    return EmbeddedServer(environ=environ)


@pytest.fixture
def users(environ: Environ) -> Iterator[Callable[..., User]]:
    """Make processes that use an embedded server."""
    made: list[User] = []

    def user(name: str = "default", *, directory: Path | None = None, **variables: str) -> User:
        made.append(User({**environ, **variables}, name=name, directory=directory))
        return made[-1]

    yield user
    for one in made:
        one.kill()


@pytest.fixture
def driver() -> Iterator[Callable[[str], redis.Redis]]:
    """Plain connections."""
    opened: list[redis.Redis] = []

    def connect(url: str) -> redis.Redis:
        opened.append(redis.Redis.from_url(url, decode_responses=True))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()
