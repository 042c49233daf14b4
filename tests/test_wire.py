"""What travels: blobs, records and ids, whoever wrote them."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka import wire
from heijunka.errors import UndecodableJob

ids = st.binary(min_size=16, max_size=16)
milliseconds = st.integers(1, 10 * 365 * 86_400_000)
options = st.builds(
    wire.Options,
    timeout_ms=st.none() | milliseconds,
    attempts=st.none() | st.integers(1, 1_000),
    keep_result_ms=st.none() | st.just(0) | milliseconds,
    priority=st.none() | st.sampled_from(("high", "normal", "low")),
)
arguments = st.dictionaries(st.text(max_size=5), st.none() | st.integers(-(2**63), 2**63) | st.text() | st.binary())


def blob(*fields: Any) -> bytes:
    return msgspec.msgpack.encode(fields)


# -- jobs -------------------------------------------------------------------------------------------


@given(job_id=ids, task=st.text(max_size=20), args=arguments, deadline_ms=st.none() | milliseconds, options=options)
def test_a_job_travels_whole(
    job_id: bytes, task: str, args: dict[str, Any], deadline_ms: int | None, options: wire.Options
) -> None:
    encoded = msgspec.msgpack.encode(args)

    job = wire.decode_job(
        wire.encode_job(wire.Job(wire.FORMAT, job_id, task, wire.raw(encoded), 3, deadline_ms, options))
    )

    assert (job_id, task, 3, deadline_ms, options) == (job.id, job.task, job.attempt, job.deadline_ms, job.options)
    assert encoded == bytes(job.args)


@given(
    job_id=ids,
    task=st.text(min_size=1, max_size=200),
    args=arguments,
    deadline_ms=st.none() | milliseconds,
    options=st.none() | options,
)
def test_a_first_attempt_put_together_from_prepared_bytes_is_what_encoding_it_gives(
    job_id: bytes, task: str, args: dict[str, Any], deadline_ms: int | None, options: wire.Options | None
) -> None:
    encoded = msgspec.msgpack.encode(args)

    sealed = wire.Envelope(task, options).sealed(job_id, encoded, deadline_ms)

    assert wire.encode_job(wire.Job(wire.FORMAT, job_id, task, wire.raw(encoded), 1, deadline_ms, options)) == sealed


def test_the_errors_of_attempts_travel_with_the_job_and_cost_others_nothing() -> None:
    job = wire.Job(wire.FORMAT, wire.new_id(), "charge", wire.raw(b"\x81\xa1a\x01"), 3, None, wire.Options(attempts=9))
    errors = wire.with_error((), 2, error_type="ConnectionError", message="no route", worker="w1", at_ms=7)

    failed = wire.encode_job(msgspec.structs.replace(job, errors=errors))

    assert (wire.FailedAttempt(2, "ConnectionError", "no route", "w1", 7),) == wire.decode_job(failed).errors
    assert () == wire.decode_job(wire.encode_job(job)).errors
    assert 7 == wire.decode_job(wire.encode_job(msgspec.structs.replace(job, parked_ms=7))).parked_ms
    fields = msgspec.msgpack.decode(wire.encode_job(job))
    assert [wire.FORMAT, job.id, "charge", {"a": 1}, 3, None, {"n": 9}] == fields


@given(messages=st.lists(st.text(st.characters(), max_size=500), max_size=14), error_type=st.text(max_size=300))
def test_the_last_ten_errors_are_kept_each_cut_to_what_is_small(messages: list[str], error_type: str) -> None:
    errors: tuple[wire.FailedAttempt, ...] = ()
    for attempt, message in enumerate(messages, 1):
        errors = wire.with_error(errors, attempt, error_type=error_type, message=message, worker="w1", at_ms=attempt)

    blob = wire.encode_job(wire.Job(wire.FORMAT, wire.new_id(), "charge", wire.NOTHING, 15, errors=errors))

    assert errors == wire.decode_job(blob).errors
    assert list(range(1, len(messages) + 1))[-10:] == [error.attempt for error in errors]
    assert all(len(error.message) <= 2_000 and len(error.error_type) <= 1_000 for error in errors)
    assert len(blob) < 14_000


def test_half_a_surrogate_pair_in_an_error_costs_no_job() -> None:
    errors = wire.with_error((), 1, error_type="OSError", message="no file \udcff", worker="w1", at_ms=1)

    blob = wire.encode_job(wire.Job(wire.FORMAT, wire.new_id(), "charge", wire.NOTHING, 2, errors=errors))

    assert "no file \\udcff" == wire.decode_job(blob).errors[0].message


def test_scripts_find_the_id_at_its_place_in_every_blob() -> None:
    job_id = wire.new_id()

    for job in (
        wire.Job(wire.FORMAT, job_id, "charge", wire.NOTHING),
        wire.Job(wire.FORMAT, job_id, "x" * 200, wire.raw(b"\x80"), 1_000, 2**48, wire.Options(attempts=3)),
    ):
        assert job_id == wire.encode_job(job)[4:20]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_job_are_undecodable_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(UndecodableJob):
        wire.decode_job(noise)


@given(cut=st.integers(0, 60))
def test_a_truncated_job_is_undecodable(cut: int) -> None:
    whole = wire.encode_job(wire.Job(wire.FORMAT, wire.new_id(), "charge", wire.raw(b"\x81\xa1a\x01"), 1, 2**40))

    with pytest.raises(UndecodableJob, match="truncated"):
        wire.decode_job(whole[: min(cut, len(whole) - 1)])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(blob(2, bytes(16), "charge", None, 1), "format 2 of a job is unknown here", id="a later format"),
        pytest.param(blob(1, bytes(3), "charge", None), "length >= 16", id="a short id"),
        pytest.param(blob(1, bytes(17), "charge", None), "length <= 16", id="a long id"),
        pytest.param(blob(1, bytes(16), "charge", None, 0), "`int` >= 1", id="an attempt before the first"),
        pytest.param(blob(1, bytes(16), "charge", None, 2**40), "`int` <= ", id="an attempt beyond all"),
        pytest.param(blob(1, bytes(16), "charge", None, 1, None, {"t": -1}), "`int` >= 0", id="a negative timeout"),
        pytest.param(blob(1, bytes(16), "charge", None, 1, None, {"k": -1}), "`int` >= 0", id="kept a negative time"),
        pytest.param(blob(1, bytes(16), "charge", None, 1, None, {"n": 0}), "`int` >= 1", id="no attempts"),
        pytest.param(
            b"\x97\x01\xc4\x10" + bytes(16) + b"\xa2\xff\xfe\xc0\x01\xc0\xc0", "can't decode byte", id="no UTF-8"
        ),
        pytest.param(
            b"\x97\x01\xc4\x10" + bytes(16) + b"\xa1a" + b"\x91" * 100_000 + b"\xc0\x01\xc0\xc0",
            "recursion",
            id="too deep",
        ),
        pytest.param(blob(1, bytes(16), "charge", None) + b"more", "trailing", id="more behind it"),
        pytest.param(b"", "truncated", id="nothing"),
    ],
)
def test_what_no_producer_of_ours_writes_is_undecodable(wrong: bytes, words: str) -> None:
    with pytest.raises(UndecodableJob, match=words):
        wire.decode_job(wrong)


# -- ids --------------------------------------------------------------------------------------------


def test_an_id_is_a_uuid_that_tells_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    job_id = wire.new_id()
    after = time.time_ns() // 1_000_000

    assert before <= wire.id_ms(job_id) <= after
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", wire.id_text(job_id))


@given(ids)
def test_an_id_is_read_as_it_is_shown(job_id: bytes) -> None:
    assert job_id == wire.id_bytes(wire.id_text(job_id))


def test_ids_differ_whether_made_one_by_one_or_together() -> None:
    ids = [wire.new_id() for _ in range(5_000)] + wire.new_ids(5_000)

    assert 10_000 == len(set(ids))
    assert {(16, "7")} == {(len(job_id), wire.id_text(job_id)[14]) for job_id in ids}


# -- ends -------------------------------------------------------------------------------------------


def test_results_and_failures_are_told_apart() -> None:
    done = wire.Result(wire.FORMAT, "done", wire.raw(b"\x01"), 2, "w1", 5)
    failed = wire.Failure(wire.FORMAT, "failed", "retries", "ValueError", "no", "Traceback …", 5, "w1", 7)

    read = wire.decode_end(wire.encode_end(done))

    assert isinstance(read, wire.Result)
    assert (b"\x01", 2, "w1", 5) == (bytes(read.value), read.attempt, read.worker, read.at_ms)
    assert failed == wire.decode_end(wire.encode_end(failed))


@given(st.text(st.characters(), max_size=50))
def test_whatever_an_exception_says_can_be_kept(text: str) -> None:
    failed = wire.Failure(wire.FORMAT, "failed", "retries", "E", text, text)

    kept = wire.decode_end(wire.encode_end(failed))

    assert isinstance(kept, wire.Failure)
    assert text.encode(errors="backslashreplace").decode() == kept.message == kept.traceback


def test_half_a_surrogate_pair_is_spelled_out() -> None:
    kept = wire.decode_end(wire.encode_end(wire.Failure(wire.FORMAT, "failed", "retries", message="no file caf\udce9")))

    assert isinstance(kept, wire.Failure)
    assert "no file caf\\udce9" == kept.message


@given(st.binary(max_size=100))
def test_bytes_that_are_no_end_are_undecodable_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(UndecodableJob):
        wire.decode_end(noise)
