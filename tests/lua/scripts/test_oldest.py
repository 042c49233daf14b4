"""oldest: since when the jobs wait that nobody has pulled, of each stream that has any."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.server import Driver

pytestmark = needs_server


def test_where_nothing_waits_there_is_no_oldest(client: Executor, keys: DomainKeys, heard: list[str]) -> None:
    assert client.execute(commands.oldest(keys)) is None
    assert ["oldest"] == heard


def test_what_waits_longest_in_any_stream_is_the_oldest(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.xadd(keys.ready[0], {"j": b"new"}, id="9000-0")
    redis.xadd(keys.ready[2], {"j": b"old"}, id="5000-7")
    redis.xadd(keys.ready[2], {"j": b"newer"}, id="6000-0")

    assert 5_000 == client.execute(commands.oldest(keys))


def test_jobs_that_workers_hold_do_not_wait(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    for moment in (5_000, 6_000):
        redis.xadd(keys.ready[1], {"j": b"job"}, id=f"{moment}-0")
    redis.xgroup_create(keys.ready[1], "workers", "0")
    redis.xreadgroup("workers", "w1", {keys.ready[1]: ">"}, count=1)

    assert 6_000 == client.execute(commands.oldest(keys))
    redis.xreadgroup("workers", "w1", {keys.ready[1]: ">"}, count=1)
    assert client.execute(commands.oldest(keys)) is None


def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.ready[1], "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.oldest(keys))
