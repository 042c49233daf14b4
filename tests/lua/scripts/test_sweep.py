"""sweep: what nobody has pulled is cancelled and counted; what is held stays."""

from __future__ import annotations

import pytest

from heijunka import commands, wire
from heijunka.commands import Swept
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import id_of, samples
from tests.fixtures.seed import NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot

pytestmark = needs_server


def sweep(client: Executor, keys: DomainKeys, limit: int = 500) -> Swept:
    return client.execute(commands.sweep(keys, keys.ready[1], keep_ms=60_000, record=b"record", limit=limit))


def test_what_nobody_has_pulled_is_cancelled_and_who_waits_is_told(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    held, *waiting = samples(3)
    seed.worker("w1")
    seed.held("w1", NORMAL, held)
    seed.waiting(NORMAL, *waiting)

    assert Swept(2, more=False) == sweep(client, keys)

    left = snapshot(redis, keys)
    assert ([held], {"cancelled": 2}) == ([one.job for one in left.ready_normal], left.stats)
    assert {wire.id_text(id_of(job)): b"record" for job in waiting} == left.results
    assert Swept(0, more=False) == sweep(client, keys)
    assert ["swept", "swept"] == heard


def test_a_long_queue_is_swept_some_at_a_time(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    seed.waiting(NORMAL, *samples(5))

    assert [Swept(2, more=True), Swept(2, more=True), Swept(1, more=False)] == [
        sweep(client, keys, limit=2) for _ in range(3)
    ]
    assert {"cancelled": 5} == snapshot(redis, keys).stats
    assert "more" == heard[0]


@pytest.mark.parametrize("name", ["stats", "ready:normal"])
def test_a_key_of_another_type_is_a_typed_error(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, name: str
) -> None:
    if name == "stats":
        seed.waiting(NORMAL, *samples(1))
    redis.set(keys.tag + name, "somebody else's")

    with pytest.raises(WrongKeyType):
        sweep(client, keys)
    assert {} == snapshot(redis, keys).results
