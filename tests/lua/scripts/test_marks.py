"""marks: every job that is marked as cancelled is named, however many there are and whoever is marked meanwhile."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.commands import Marks
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor
from tests.fixtures.samples import id_of, samples
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot

WHEN = 1_700_000_000_000


def test_without_marks_nobody_is_named(client: Executor, keys: DomainKeys, heard: list[str]) -> None:
    assert Marks({}) == client.execute(commands.marks(keys))
    assert ["marks"] == heard


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 500])
def test_all_are_named_page_by_page(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str], *, limit: int
) -> None:
    ids = [id_of(job) for job in samples(3)]
    for after, each in enumerate(ids):
        seed.marked(each, WHEN + after)
    before = snapshot(redis, keys)

    found: list[tuple[bytes, int]] = []
    page = Marks({}, more="-inf")
    while page.more is not None:
        page = client.execute(commands.marks(keys, start=page.more, limit=limit))
        found += page.at_ms.items()

    assert [(each, WHEN + after) for after, each in enumerate(ids)] == found
    assert "marks" == heard[-1]
    assert before == snapshot(redis, keys)


def test_none_is_overlooked_while_others_end(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    ids = [id_of(job) for job in samples(4)]
    for after, each in enumerate(ids):
        seed.marked(each, WHEN + after)
    first = client.execute(commands.marks(keys, limit=2))
    assert first.more is not None

    redis.zrem(keys.cancels, *ids[:2])
    second = client.execute(commands.marks(keys, start=first.more, limit=3))

    at_ms = {each: WHEN + after for after, each in enumerate(ids)}
    assert ids[:2] == list(first.at_ms)
    assert Marks({each: at_ms[each] for each in ids[2:]}) == second
    assert ["more", "marks"] == heard
