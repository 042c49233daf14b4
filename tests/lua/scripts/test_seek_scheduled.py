"""seek_scheduled: a job that waits for its time is found by its id, from either end, some at a time."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import id_of, sample, samples
from tests.fixtures.seed import Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot

NOW = 1_700_000_000_000


def pages(
    client: Executor, keys: DomainKeys, job_id: bytes, start: int, limit: int
) -> list[commands.Found | commands.More | commands.Absent]:
    """Every reply on the way to the job."""
    replies = [client.execute(commands.seek_scheduled(keys, job_id, start=start, limit=limit))]
    while isinstance(reply := replies[-1], commands.More):
        replies.append(client.execute(commands.seek_scheduled(keys, job_id, start=int(reply.at), limit=limit)))
    return replies


def test_a_scheduled_job_is_found_with_the_moment_it_is_due(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    jobs = samples(3)
    for after, (letter, job) in enumerate(zip("hnl", jobs, strict=True)):
        seed.scheduled(letter, NOW + after, job)
    before = snapshot(redis, keys)

    found = [client.execute(commands.seek_scheduled(keys, id_of(job))) for job in jobs]

    members = [letter + job for letter, job in zip((b"h", b"n", b"l"), jobs, strict=True)]
    assert [commands.Found(NOW + after, member=member) for after, member in enumerate(members)] == found
    assert before == snapshot(redis, keys)
    assert "found" == heard[-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 500])
@pytest.mark.parametrize("backwards", [False, True])
def test_every_job_is_found_on_whichever_page_it_is(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, limit: int, *, backwards: bool
) -> None:
    jobs = samples(8)
    for after, job in enumerate(jobs):
        seed.scheduled("n", NOW + after, job)

    found = [pages(client, keys, id_of(job), -limit if backwards else 0, limit) for job in jobs]

    wanted = [commands.Found(NOW + after, member=b"n" + job) for after, job in enumerate(jobs)]
    assert wanted == [replies[-1] for replies in found]
    nearest = [rank // limit + 1 for rank in range(8)]
    assert (nearest[::-1] if backwards else nearest) == [len(replies) for replies in found]


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 500])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_job_that_is_not_there_is_looked_for_to_the_end(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, limit: int, *, backwards: bool
) -> None:
    seed.scheduled("n", NOW, *samples(4))

    replies = pages(client, keys, id_of(sample()), -limit if backwards else 0, limit)

    assert commands.Absent() == replies[-1]
    assert 4 // limit + 1 == len(replies)


def test_from_the_latest_on_no_job_is_overlooked_while_others_are_promoted(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    jobs = samples(6)
    for after, job in enumerate(jobs):
        seed.scheduled("n", NOW + after, job)
    first = client.execute(commands.seek_scheduled(keys, id_of(jobs[3]), start=-2, limit=2))
    assert isinstance(first, commands.More)

    redis.zpopmin(keys.scheduled, 3)
    second = client.execute(commands.seek_scheduled(keys, id_of(jobs[3]), start=int(first.at), limit=2))

    assert commands.Found(NOW + 3, member=b"n" + jobs[3]) == second
    assert ["more", "found"] == heard


def test_a_domain_without_scheduled_jobs_holds_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    assert commands.Absent() == client.execute(commands.seek_scheduled(keys, id_of(sample())))
    assert "absent" == heard[-1]


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.scheduled, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.seek_scheduled(keys, id_of(sample())))
