"""What is put together from prepared bytes is what encoding anew would give."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest

from heijunka import wire
from heijunka.clock import wall_ms

OPTIONS = wire.Options(timeout_ms=1_000, attempts=3, keep_result_ms=0, priority="high")


@pytest.mark.parametrize("options", [None, wire.Options(), OPTIONS], ids=["no options", "empty", "all options"])
@pytest.mark.parametrize("deadline_ms", [None, 0, 1_700_000_000_000])
@pytest.mark.parametrize("task", ["a", "mail.send", "t" * 200])
def test_an_envelope_seals_what_encoding_the_job_gives(
    task: str, deadline_ms: int | None, options: wire.Options | None
) -> None:
    job_id, args = wire.new_id(), b"\x81\xa5order\x07"
    job = wire.Job(wire.FORMAT, job_id, task, wire.raw(args), 1, deadline_ms, options)

    sealed = wire.Envelope(task, options).sealed(job_id, args, deadline_ms)

    assert wire.encode_job(job) == sealed
    assert job_id == sealed[4:20]  # where the scripts find it


@pytest.mark.parametrize("count", [0, 1, 3, 1_000])
def test_ids_made_at_once_are_as_good_as_those_made_one_by_one(count: int) -> None:
    before = wall_ms()
    ids = wire.new_ids(count)
    after = wall_ms()

    assert count == len(set(ids))
    assert {(7, RFC_4122)} >= {(UUID(bytes=one).version, UUID(bytes=one).variant) for one in ids}
    assert all(before <= wire.id_ms(one) <= after for one in ids)
    if count == 1_000:  # every bit that is not fixed is drawn: of a thousand ids each is set in some, and not in others
        drawn = [int.from_bytes(one) for one in ids]
        assert 74 == (_either(drawn) & ~_all(drawn) & (1 << 80) - 1).bit_count()


def _either(numbers: list[int]) -> int:
    seen = 0
    for number in numbers:
        seen |= number
    return seen


def _all(numbers: list[int]) -> int:
    seen = -1
    for number in numbers:
        seen &= number
    return seen
