"""ends: how a job ended is told from the record that is kept, else from its dead letter."""

from __future__ import annotations

import pytest

from heijunka.commands.ends import Ended, ends
from heijunka.commands.inspect import Absent, More
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.samples import id_of, sample, samples, text_of
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot


def bury(redis: Driver, keys: DomainKeys, job: bytes, failure: bytes) -> str:
    """Let a job be dead; its letter's entry id."""
    entry: bytes = redis.xadd(keys.dead, {"j": job, "r": "retries", "f": failure})
    return entry.decode()


def pages(client: Executor, keys: DomainKeys, job_id: bytes, limit: int) -> list[Ended | More | Absent]:
    """Every reply on the way to the job."""
    replies = [client.execute(ends(keys, job_id, limit=limit))]
    while isinstance(reply := replies[-1], More):
        replies.append(client.execute(ends(keys, job_id, start=str(reply.at), limit=limit)))
    return replies


def test_a_record_that_is_kept_tells_the_end(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    job = sample()
    redis.set(keys.result(text_of(job)), b"the record", px=60_000)
    before = snapshot(redis, keys)

    assert Ended(b"the record") == client.execute(ends(keys, id_of(job)))
    assert before == snapshot(redis, keys)
    assert "kept" == heard[-1]


def test_the_record_comes_before_the_letter(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    """A dead letter may have been enqueued again and have ended well."""
    job = sample()
    bury(redis, keys, job, b"the failure")
    redis.set(keys.result(text_of(job)), b"the record", px=60_000)

    assert Ended(b"the record") == client.execute(ends(keys, id_of(job)))


def test_a_dead_letter_tells_the_end_when_no_record_is_kept(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    jobs = samples(3)
    letters = [bury(redis, keys, job, b"failure %d" % at) for at, job in enumerate(jobs)]
    before = snapshot(redis, keys)

    assert Ended(b"failure 1", letters[1]) == client.execute(ends(keys, id_of(jobs[1])))
    assert before == snapshot(redis, keys)
    assert "dead" == heard[-1]


def test_a_letter_of_a_poisonous_job_has_more_fields_and_is_read_alike(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    job = sample()
    letter = redis.xadd(keys.dead, {"j": job, "r": "poison", "f": b"the failure", "d": 3}).decode()

    assert Ended(b"the failure", letter) == client.execute(ends(keys, id_of(job)))


def test_a_job_that_has_not_ended_is_open(client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]) -> None:
    bury(redis, keys, sample(), b"another's")

    assert Absent() == client.execute(ends(keys, id_of(sample())))
    assert "open" == heard[-1]


def test_no_letter_is_looked_at_when_none_may_be(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job = sample()
    bury(redis, keys, job, b"the failure")

    assert Absent() == client.execute(ends(keys, id_of(job), limit=0))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 500])
def test_a_letter_is_found_on_whichever_page_it_is(
    client: Executor, redis: Driver, keys: DomainKeys, limit: int, heard: list[str]
) -> None:
    jobs = samples(8)
    last = [bury(redis, keys, job, b"the failure") for job in jobs][-1]

    replies = pages(client, keys, id_of(jobs[-1]), limit)

    assert Ended(b"the failure", last) == replies[-1]
    assert (8 + limit - 1) // limit == len(replies)
    assert ["more"] * (len(replies) - 1) == heard[:-1]


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 500])
def test_a_letter_that_is_not_there_is_looked_for_to_the_end(
    client: Executor, redis: Driver, keys: DomainKeys, limit: int
) -> None:
    for job in samples(4):
        bury(redis, keys, job, b"another's")

    replies = pages(client, keys, id_of(sample()), limit)

    assert Absent() == replies[-1]
    assert 4 // limit + 1 == len(replies)


def test_what_came_before_the_job_need_not_be_looked_at(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    before, job = samples(2)
    bury(redis, keys, before, b"another's")
    letter = bury(redis, keys, job, b"the failure")

    assert Ended(b"the failure", letter) == client.execute(ends(keys, id_of(job), start=letter, limit=1))
    assert Absent() == client.execute(ends(keys, id_of(before), start=letter))


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.dead, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(ends(keys, id_of(sample())))
