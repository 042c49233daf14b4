"""A real server for the whole run, and a namespace of its own for each test that nothing may leak from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from heijunka.broker.client import Client
from heijunka.keys import DomainKeys
from tests.fixtures import namespaces
from tests.fixtures.server import Driver, Server, driver

RUNNING = "HEIJUNKA_TEST_URL"
"""Where a server runs already (a container, for example); none is started then."""

# Tests let jobs fail as often as they like; those of the breaker switch it on.
os.environ.setdefault("HEIJUNKA_BREAKER", "none")

# On a loaded machine one step takes as long as it takes; what hangs is the time limit's to find.
settings.register_profile("heijunka", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("heijunka")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Where the shared server is. Tests neither stop it nor change its settings."""
    running = os.environ.get(RUNNING)
    if running:
        yield running
        return
    server = Server()
    try:
        server.start()
        yield server.url
    finally:
        server.close()


@pytest.fixture
def fresh_server() -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own, to stop, fill, freeze or reconfigure: `fresh_server(maxmemory="10mb")`."""
    started: list[Server] = []

    def start(**options: str) -> Server:
        if RUNNING in os.environ:
            pytest.skip(f"the server at {RUNNING} is not ours to stop or reconfigure")
        started.append(Server(popen=None, **options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Driver]:
    """Redis's own commands, for looking and seeding."""
    with driver(redis_url) as looking:
        yield looking


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    """Executes our commands."""
    with Client(redis_url) as executing:
        yield executing


@pytest.fixture
def namespace(request: pytest.FixtureRequest, redis: Driver) -> Iterator[str]:
    """A namespace of the test's own. A test fails that leaves a key in it which would stay in a user's Redis."""
    name = namespaces.namespace_for(request.node.name)
    yield name
    left = namespaces.leaks(redis, name)
    namespaces.remove(redis, name)
    assert [] == left


@pytest.fixture
def keys(namespace: str) -> DomainKeys:
    """The keys of one domain."""
    return DomainKeys(namespace, "payment")
