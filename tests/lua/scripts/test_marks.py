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

FAR = 2_000_000_000_000


def test_without_marks_nobody_is_named(client: Executor, keys: DomainKeys, heard: list[str]) -> None:
    assert Marks(()) == client.execute(commands.marks(keys))
    assert ["marks"] == heard


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 500])
def test_all_are_named_page_by_page(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str], *, limit: int
) -> None:
    ids = [id_of(job) for job in samples(3)]
    for after, each in enumerate(ids):
        seed.marked(each, FAR + after)
    before = snapshot(redis, keys)

    found: list[bytes] = []
    page = Marks((), more="-inf")
    while page.more is not None:
        page = client.execute(commands.marks(keys, start=page.more, limit=limit))
        found += page.ids

    assert ids == found
    assert "marks" == heard[-1]
    assert before == snapshot(redis, keys)


def test_none_is_overlooked_while_others_end(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    ids = [id_of(job) for job in samples(4)]
    for after, each in enumerate(ids):
        seed.marked(each, FAR + after)
    first = client.execute(commands.marks(keys, limit=2))
    assert first.more is not None

    redis.zrem(keys.cancels, *ids[:2])
    second = client.execute(commands.marks(keys, start=first.more, limit=3))

    assert (tuple(ids[:2]), Marks(tuple(ids[2:]))) == (first.ids, second)
    assert ["more", "marks"] == heard
