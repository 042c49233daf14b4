"""How long a cancelled job may go on, and which attempts are meant."""

from __future__ import annotations

import pytest

from heijunka.worker.board import Running
from heijunka.worker.marked import Told

JOB, OTHER = b"j" * 16, b"o" * 16
MARKED_MS = 1_700_000_000_000
GRACE_S = 5.0


def running(job: bytes = JOB, *, entry_ms: int = MARKED_MS - 1, since_s: float = 90.0) -> Running:
    return Running(0, 3, f"{entry_ms}-0".encode(), job, int(since_s * 1e9), 0)


@pytest.mark.parametrize(
    ("attempt", "now", "late"),
    [
        pytest.param(running(), 105.0, True, id="told a grace ago"),
        pytest.param(running(), 104.9, False, id="told less than a grace ago"),
        pytest.param(running(since_s=103.0), 105.0, False, id="it has begun since, and was to be told then"),
        pytest.param(running(since_s=103.0), 108.0, True, id="it has begun since and goes on"),
        pytest.param(running(OTHER), 1_000.0, False, id="another job"),
        pytest.param(running(entry_ms=MARKED_MS), 105.0, True, id="accepted and cancelled at the same moment"),
        pytest.param(running(entry_ms=MARKED_MS + 1), 1_000.0, False, id="pulled after it was marked"),
    ],
)
def test_what_goes_on_for_longer_than_its_grace_is_late(attempt: Running, now: float, *, late: bool) -> None:
    told = Told()
    told.note({JOB: MARKED_MS}, 100.0)

    assert [attempt] * late == told.late([attempt], now, grace_s=GRACE_S)


def test_the_grace_begins_once_and_anew_with_another_mark() -> None:
    told, attempt = Told(), running()
    told.note({JOB: MARKED_MS}, 100.0)
    told.note({JOB: MARKED_MS, OTHER: MARKED_MS + 1}, 104.0)
    assert [attempt] == told.late([attempt], 105.0, grace_s=GRACE_S)

    told.note({JOB: MARKED_MS + 2}, 104.0)

    assert [] == told.late([attempt], 105.0, grace_s=GRACE_S)


def test_what_is_not_marked_any_more_is_left_alone() -> None:
    told = Told()
    told.note({JOB: MARKED_MS}, 100.0)
    told.note({}, 101.0)

    assert [] == told.late([running()], 1_000.0, grace_s=GRACE_S)
