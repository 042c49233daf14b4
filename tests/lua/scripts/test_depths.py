"""depths: every job of a domain is counted once, where it is, and reading changes nothing."""

from __future__ import annotations

import msgspec
import pytest

from heijunka import commands
from heijunka.errors import WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import sample, samples
from tests.fixtures.seed import HIGH, LOW, NORMAL, RETURNED_HIGH, RETURNED_LOW, RETURNED_NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot

NOTHING = commands.Depths(
    ready={"high": 0, "normal": 0, "low": 0},
    running=0,
    suspects=0,
    scheduled=0,
    dead=0,
    workers=0,
    load=0,
    counters={},
    held={"high": 0, "normal": 0, "low": 0},
)


def test_an_empty_domain_has_nothing(client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]) -> None:
    assert NOTHING == client.execute(commands.depths(keys))
    assert "depths" == heard[-1]


def test_what_waits_and_what_runs_are_told_apart_and_add_up_to_the_load(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    seed.worker("w1")
    seed.worker("w2")
    seed.held("w1", HIGH, *samples(2))
    seed.held("w2", RETURNED_LOW, *samples(1))
    seed.held("w2", SUSPECTS, *samples(1))
    for source, waiting in {HIGH: 3, NORMAL: 4, LOW: 5, RETURNED_HIGH: 1, RETURNED_NORMAL: 2, SUSPECTS: 6}.items():
        seed.waiting(source, *samples(waiting))
    seed.scheduled("n", 1, *samples(7))
    redis.xadd(keys.dead, {"j": sample(), "r": "poison", "f": b""})
    redis.hset(keys.stats, mapping={"enqueued": 40, "ack": 8})
    before = snapshot(redis, keys)

    depths = client.execute(commands.depths(keys))

    assert (
        commands.Depths(
            ready={"high": 4, "normal": 6, "low": 5},
            running=4,
            suspects=6,
            scheduled=7,
            dead=1,
            workers=2,
            load=25,
            counters={"enqueued": 40, "ack": 8},
            held={"high": 2, "normal": 0, "low": 1},
        )
        == depths
    )
    assert before == snapshot(redis, keys)


def test_streams_that_nobody_has_pulled_from_are_counted(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    """Producers come first: there is no group yet."""
    seed.waiting(LOW, *samples(3))

    depths = client.execute(commands.depths(keys))

    assert {"high": 0, "normal": 0, "low": 3} == depths.ready
    assert (0, 3) == (depths.running, depths.load)


def test_counters_that_never_counted_are_zero() -> None:
    depths = msgspec.structs.replace(NOTHING, counters={"ack": 2, "done": 3})

    assert 5 == depths.counted("ack", "done", "dead")


@needs_server
@pytest.mark.parametrize("name", ["stats", "scheduled", "dead", "workers", "suspects", "ready:low"])
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys, name: str) -> None:
    redis.set(keys.tag + name, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.depths(keys))
