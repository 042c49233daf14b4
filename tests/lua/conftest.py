"""Every kind of server there is here, each without persistence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
import redis

from tests.fixtures.server import BINARY, Server, server_binary


def kinds() -> list[str]:
    """The server the suite runs on, the bundled one and Debian's: their errors read differently."""
    named = os.environ.get(BINARY)
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(BINARY, raising=False)
        bundled = server_binary()
    return list(dict.fromkeys(filter(None, (named, bundled, shutil.which("redis-server")))))


@pytest.fixture(scope="session", params=kinds(), ids=os.path.basename)
def each_server(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(BINARY, request.param)
        server = Server()
        server.start()
    with server.driver() as driver:
        yield driver
    server.close()
