"""seek: a job is found by its id wherever it is in a stream, some entries at a time."""

from __future__ import annotations

import pytest

from heijunka import commands
from heijunka.errors import WrongKeyType
from heijunka.keys import SUSPECTS, DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import id_of, sample, samples
from tests.fixtures.seed import NORMAL, Seed
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot


def pages(
    client: Executor, stream: str, job_id: bytes, limit: int
) -> list[commands.Found | commands.More | commands.Absent]:
    """Every reply on the way to the job."""
    replies = [client.execute(commands.seek(stream, job_id, limit=limit))]
    while isinstance(reply := replies[-1], commands.More):
        replies.append(client.execute(commands.seek(stream, job_id, start=str(reply.at), limit=limit)))
    return replies


def test_a_waiting_job_is_found_at_its_entry(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, heard: list[str]
) -> None:
    jobs = samples(3)
    seed.waiting(NORMAL, *jobs)
    before = snapshot(redis, keys)
    entries = [entry.decode() for entry, _ in redis.xrange(keys.ready[1])]

    found = [client.execute(commands.seek(keys.ready[1], id_of(job))) for job in jobs]

    assert [commands.Found(entry) for entry in entries] == found
    assert before == snapshot(redis, keys)
    assert "found" == heard[-1]


def test_a_held_job_is_found_as_held(client: Executor, redis: Driver, keys: DomainKeys, seed: Seed) -> None:
    entry = seed.holding("w1")

    found = client.execute(commands.seek(keys.ready[1], id_of(entry.job)))

    assert commands.Found(entry.id.decode(), held=True) == found


def test_a_suspect_is_found_although_its_entry_has_more_fields(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    job = sample()
    seed.waiting(SUSPECTS, job, deliveries=2)

    assert isinstance(client.execute(commands.seek(keys.suspects, id_of(job))), commands.Found)


def test_a_dead_letter_is_found(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job = sample()
    letter = redis.xadd(keys.dead, {"j": job, "r": "retries", "f": b""})

    assert commands.Found(letter.decode()) == client.execute(commands.seek(keys.dead, id_of(job)))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 500])
def test_a_job_is_found_on_whichever_page_it_is(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, *, limit: int, heard: list[str]
) -> None:
    jobs = samples(8)
    seed.waiting(NORMAL, *jobs)
    last = redis.xrevrange(keys.ready[1], count=1)[0][0].decode()

    replies = pages(client, keys.ready[1], id_of(jobs[-1]), limit)

    assert commands.Found(last) == replies[-1]
    assert (8 + limit - 1) // limit == len(replies)
    assert ["more"] * (len(replies) - 1) == heard[:-1]


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 500])
def test_a_job_that_is_not_there_is_looked_for_to_the_end(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed, limit: int
) -> None:
    seed.waiting(NORMAL, *samples(4))

    replies = pages(client, keys.ready[1], id_of(sample()), limit)

    assert commands.Absent() == replies[-1]
    assert 4 // limit + 1 == len(replies)


def test_a_stream_that_does_not_exist_holds_nothing(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    assert commands.Absent() == client.execute(commands.seek(keys.ready[0], id_of(sample())))
    assert "absent" == heard[-1]


def test_an_entry_of_somebody_else_is_passed_over(
    client: Executor, redis: Driver, keys: DomainKeys, seed: Seed
) -> None:
    redis.xadd(keys.ready[1], {"x": "short"})
    job = sample()
    seed.waiting(NORMAL, job)

    assert isinstance(client.execute(commands.seek(keys.ready[1], id_of(job))), commands.Found)


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.ready[1], "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(commands.seek(keys.ready[1], id_of(sample())))
