"""Every script's tests run on the real server and, where it can run the script, on fakeredis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import fakeredis
import msgspec
import pytest

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.broker.command import Command, Reply
from heijunka.broker.conversation import Patience
from heijunka.clock import Milliseconds
from heijunka.keys import DomainKeys, NamespaceKeys
from tests.fixtures.fake import Executor, FakeClient
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver, driver
from tests.lua.scripts import fleets

R = TypeVar("R")


@pytest.fixture(params=["server", "fakeredis"])
def backend(request: pytest.FixtureRequest) -> str:
    """What the scripts run on. Modules marked `needs_server` have the first alone."""
    kind: str = request.param
    return kind


@pytest.fixture
def redis(backend: str, request: pytest.FixtureRequest) -> Iterator[Driver]:
    """Redis's own commands, for looking and seeding."""
    if backend == "fakeredis":
        yield fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
        return
    with driver(request.getfixturevalue("redis_url")) as looking:
        yield looking


class Hearing:
    """Carries out commands and notes the word that each reply began with."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.heard: list[str] = []

    def execute(self, command: Command[R], patience: Patience | None = None) -> R:
        """Carry one command through."""

        def read(reply: Reply) -> R:
            self.heard.append(reply[0].decode())
            return command.read(reply)

        return self._executor.execute(msgspec.structs.replace(command, read=read), patience)


@pytest.fixture
def client(backend: str, redis: Driver, request: pytest.FixtureRequest) -> Iterator[Hearing]:
    """Executes our commands."""
    if isinstance(redis, fakeredis.FakeRedis):
        yield Hearing(FakeClient(redis))
        return
    with Client(request.getfixturevalue("redis_url")) as executing:
        yield Hearing(executing)


@pytest.fixture
def heard(client: Hearing) -> list[str]:
    """The words that the replies to `client` began with, as the scripts say them."""
    return client.heard


@pytest.fixture
def seed(redis: Driver, keys: DomainKeys) -> Seed:
    """Puts the domain into a state without our scripts."""
    return Seed(redis, keys)


@pytest.fixture
def shared(redis: Driver, keys: DomainKeys) -> NamespaceKeys:
    """What the domains of the test's namespace share."""
    return NamespaceKeys(keys.namespace)


@pytest.fixture
def leading(client: Hearing, shared: NamespaceKeys) -> int:
    """The term of the leader "me", who leads for ten seconds from `fleets.NOW` on."""
    return client.execute(commands.lead(shared, "me", ttl=Milliseconds(10_000), now=fleets.NOW)).term
