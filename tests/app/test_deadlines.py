"""Deadlines: what a job enqueues has its deadline, and what is late ends as its task or its call says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heijunka import Heijunka, JobFailed, ResultTimeout
from heijunka.commands import Depths
from tests.app.conftest import Run
from tests.app.shop import hand_on, pass_on, perishable, whoami

PAST = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2040, 1, 1, 12, 30, 0, 123_000, tzinfo=UTC)


def deadline_of(job_id: str) -> datetime | None:
    """What a job that ran was told of its deadline."""
    told: dict[str, Any] = whoami.job(job_id).result(timeout=5)
    return None if told["deadline"] is None else datetime.fromisoformat(str(told["deadline"]))


def test_what_a_job_enqueues_has_its_deadline_unless_it_has_its_own(shop: Heijunka, run: Run) -> None:
    parent = hand_on.options(deadline=LATER).enqueue()
    run()

    inherited, without, own = map(deadline_of, parent.result(timeout=5))

    assert (LATER, None) == (inherited, without)
    assert own is not None
    assert timedelta(hours=2) < own - datetime.now(UTC) < timedelta(hours=4)


def test_what_a_coroutine_and_its_threads_enqueue_has_its_deadline_too(shop: Heijunka, run: Run) -> None:
    parent = pass_on.options(deadline=LATER).enqueue()
    run("mail")
    run()

    assert [LATER, LATER] == [deadline_of(job_id) for job_id in parent.result(timeout=5)]


def test_what_a_job_without_a_deadline_enqueues_has_none(shop: Heijunka, run: Run) -> None:
    parent = hand_on.enqueue()
    run()

    assert [None, None] == [deadline_of(job_id) for job_id in parent.result(timeout=5)[:2]]


@pytest.mark.parametrize(
    ("call", "counted"),
    [
        (perishable.options(deadline=PAST), {"dropped": 1, "dead": 0}),
        (perishable.options(deadline=PAST, on_expire="dead"), {"dropped": 0, "dead": 1}),
        (whoami.options(deadline=PAST), {"dropped": 0, "dead": 1}),
        (whoami.options(deadline=PAST, on_expire="drop"), {"dropped": 1, "dead": 0}),
    ],
    ids=["task drops", "call keeps", "task keeps", "call drops"],
)
def test_what_is_late_ends_as_its_call_or_else_its_task_says_and_who_waits_is_told(
    shop: Heijunka, run: Run, depths: Callable[[str], Depths], *, call: Any, counted: dict[str, int]
) -> None:
    job = call.enqueue()

    run()

    with pytest.raises(JobFailed) as caught:
        job.result(timeout=5)
    assert "expired" == caught.value.reason
    left = depths("payment")
    assert counted == {name: left.counted(name) for name in counted}
    assert (0, counted["dead"]) == (left.load, left.dead)


def test_what_is_in_time_runs_whatever_would_become_of_it(shop: Heijunka, run: Run) -> None:
    job = perishable.options(deadline=LATER).enqueue()

    run()

    assert "in time" == job.result(timeout=5)


def test_what_is_dropped_leaves_no_record_when_its_result_is_not_wanted(
    shop: Heijunka, run: Run, depths: Callable[[str], Depths]
) -> None:
    job = perishable.options(deadline=PAST, keep_result=None).enqueue()

    run()

    assert 1 == depths("payment").counted("dropped")
    assert "unknown" == perishable.job(job.id).status().state
    with pytest.raises(ResultTimeout):
        perishable.job(job.id).result(timeout=0)
