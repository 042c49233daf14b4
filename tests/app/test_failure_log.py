"""Who watches a worker's log learns of each attempt that failed, and of nothing that went well."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from heijunka import Heijunka
from tests.app.shop import bounce, charge, flaky, refuse

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def said(start: Start, shop: Heijunka) -> Callable[..., list[str]]:
    """Runs a worker until its domain is empty; what it logged."""

    def run(domain: str = "payment") -> list[str]:
        return start(domain).communicate(timeout=60)[1].splitlines()

    return run


def test_a_failed_attempt_is_one_line_with_what_happens_next(said: Callable[..., list[str]]) -> None:
    job = flaky.enqueue(1)

    [line] = said()

    error = re.escape("ConnectionError: attempt 1")
    assert re.fullmatch(rf"flaky {job.id}: attempt 1 of 3 failed: {error}; again in [01] ms at the earliest", line)


def test_the_end_of_a_job_is_one_line_with_its_reason(said: Callable[..., list[str]]) -> None:
    rejected = refuse.enqueue("reject")
    late = flaky.options(deadline=datetime(2020, 1, 1, tzinfo=UTC)).enqueue(0)

    first, second = said()

    assert (
        f"refuse {rejected.id}: dead-lettered as rejected after attempt 1 of 5: heijunka.errors.Reject: not ours"
        == (first)
    )
    assert second.startswith(f"flaky {late.id}: dead-lettered as expired: its deadline passed")


def test_a_coroutines_last_attempt_is_told_too(said: Callable[..., list[str]]) -> None:
    job = bounce.enqueue()

    [line] = said("mail")

    assert f"bounce {job.id}: dead-lettered as retries after attempt 1 of 1: ConnectionError: no such mailbox" == line


def test_what_goes_well_is_not_logged(said: Callable[..., list[str]]) -> None:
    charge.enqueue_many([(uuid4(), Decimal(1))] * 20)

    assert [] == said()
