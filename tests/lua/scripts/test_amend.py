"""amend: a letter's job is changed in one step, under a new entry id, and everything else about it stays."""

from __future__ import annotations

import pytest

from heijunka import wire
from heijunka.commands.enqueue import Overtaken
from heijunka.commands.letters import Amended, Gone, amend
from heijunka.errors import ScriptError, WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.letters import bury, entries, failure
from tests.fixtures.samples import id_of, sample
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot
from tests.lua.scripts.numbered import copy_of


def changed(job: bytes) -> bytes:
    """The same job with other arguments."""
    return wire.encode_job(wire.Job(wire.FORMAT, id_of(job), "charge", wire.raw(b"\x81\xa1a\x01")))


def test_the_job_is_changed_and_why_it_died_stays(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    job, other = sample(), sample()
    entry = bury(redis, keys, job, reason="poison", deliveries=3)
    bury(redis, keys, other)

    amended = client.execute(amend(keys, entry, job=changed(job), notes=b"first"))

    assert isinstance(amended, Amended)
    [[_, untouched], [now_called, fields]] = redis.xrange(keys.dead)
    assert (other, amended.entry) == (untouched[b"j"], now_called.decode())
    assert amended.entry != entry
    expected = {b"j": changed(job), b"r": b"poison", b"f": failure("poison"), b"d": b"3", b"n": b"first"}
    assert list(expected.items()) == list(fields.items())
    assert "amended" == heard[-1]


def test_a_second_change_replaces_the_notes(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    job = sample()
    once = client.execute(amend(keys, bury(redis, keys, job), job=changed(job), notes=b"first"))
    assert isinstance(once, Amended)

    client.execute(amend(keys, once.entry, job=job, notes=b"first, second"))

    [[_, fields]] = redis.xrange(keys.dead)
    assert {b"j": job, b"r": b"retries", b"f": failure(), b"n": b"first, second"} == fields


def test_a_letter_that_is_gone_is_not_made_anew(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    job = sample()
    entry = bury(redis, keys, job)
    client.execute(amend(keys, entry, job=changed(job), notes=b"mine"))
    before = snapshot(redis, keys)

    late = client.execute(amend(keys, entry, job=job, notes=b"theirs"))

    assert Gone() == late
    assert before.dead == snapshot(redis, keys).dead
    assert "absent" == heard[-1]


def test_a_repeated_call_is_told_the_same_entry_and_changes_nothing(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    job = sample()
    call = copy_of(amend(keys, bury(redis, keys, job), job=changed(job), notes=b"n"), keys, number=1)
    absent = copy_of(amend(keys, "1-1", job=job, notes=b"n"), keys, number=2)

    replies = [client.execute(call), client.execute(call)]

    assert [Amended(entries(redis, keys)[0])] * 2 == replies
    assert [Gone(), Gone()] == [client.execute(absent), client.execute(absent)]


def test_an_overtaken_copy_does_nothing(client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]) -> None:
    job = sample()
    entry = bury(redis, keys, job)
    client.execute(copy_of(amend(keys, "1-1", job=job, notes=b"n"), keys, number=2))
    before = snapshot(redis, keys)

    late = client.execute(copy_of(amend(keys, entry, job=changed(job), notes=b"n"), keys, number=1))

    assert Overtaken() == late
    assert before == snapshot(redis, keys)
    assert "stale" == heard[-1]


@needs_server
def test_the_job_of_another_letter_is_refused(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    entry = bury(redis, keys)
    before = snapshot(redis, keys)

    with pytest.raises(ScriptError, match="the job of another letter"):
        client.execute(amend(keys, entry, job=sample(), notes=b"n"))

    assert before == snapshot(redis, keys)


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.dead, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(amend(keys, "1-1", job=sample(), notes=b"n"))
