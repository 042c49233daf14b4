"""Attempts without a limit that do not end: an alarm, and more only where it is asked for."""

from __future__ import annotations

import re

import pytest

from heijunka.app.options import call_options
from heijunka.errors import JobFailed
from heijunka.worker.board import Running
from heijunka.worker.stall import STACK_MS, Stalls
from tests.fixtures.waiting import wait_until
from tests.worker import stage
from tests.worker.company import PATIENCE_S, Company

S = 1_000_000_000


def running(entry: bytes = b"1-0", *, slot: int = 0, since_s: int = 0, limit_ms: int = 0) -> Running:
    return Running(slot, 3, entry, bytes(16), since_s * S, limit_ms)


def test_one_alarm_for_each_attempt_that_is_longer_at_it() -> None:
    stalls = Stalls(300_000, "alarm")
    first, second, limited = running(), running(b"2-0", slot=1, since_s=10), running(slot=2, limit_ms=10**9)

    alarms = [stalls.news("w1", [first, second, limited], at_s * S) for at_s in (300, 301, 310, 311, 9_999)]

    assert [[], [first], [], [second], []] == alarms
    assert [first] == stalls.news("w2", [first], 301 * S), "another worker's"
    assert [] == stalls.condemned([first, second], 9_999 * S)


def test_the_next_attempt_in_a_slot_has_an_alarm_of_its_own() -> None:
    stalls = Stalls(1_000, "alarm")
    first, second = running(), running(b"2-0", since_s=5)

    assert [[first], [], [second]] == [
        stalls.news("w1", [attempt], at_s * S) for attempt, at_s in ((first, 2), (second, 6), (second, 7))
    ]
    stalls.forget("w1")
    assert [second] == stalls.news("w1", [second], 8 * S)


def test_what_is_to_be_killed_is_killed_when_its_stack_had_time_to_be_shown() -> None:
    stalls = Stalls(1_000, "dead")
    stalled, limited = running(), running(limit_ms=10**9)

    assert [[], [stalled]] == [
        stalls.condemned([stalled, limited], (1_000 + STACK_MS) * 1_000_000 + later) for later in (0, 1)
    ]


def test_a_job_without_a_timeout_raises_an_alarm_and_goes_on(company: Company) -> None:
    company.start("sync", 2, HEIJUNKA_STALLED_AFTER="1s")
    job = stage.unasked.options(timeout=None).enqueue("long")

    head = f"slot [01] runs unasked {job.id} for "
    wait_until(lambda: re.search(rf"doing this: .*{head}.*\n(.*\n)*.* in unasked", company.log()), PATIENCE_S)
    other = stage.quick.enqueue().result(timeout=PATIENCE_S)
    assert ("in time", "running") == (other, job.status().state)
    company.let("long")

    assert "deliveries 0" == job.result(timeout=PATIENCE_S)
    assert 1 == len(re.findall(rf"WARNING .* stalled\? {head}.*, without a timeout", company.log()))


def test_where_it_is_asked_for_a_stalled_job_is_dead_lettered_and_its_neighbours_are_not_charged(
    company: Company,
) -> None:
    company.start("sync", 2, HEIJUNKA_STALLED_AFTER="1s", HEIJUNKA_ON_STALL="dead")
    stalled, beside = stage.ignore.options(timeout=None).enqueue("stalled"), stage.unasked.enqueue("beside")

    with pytest.raises(JobFailed, match="no timeout") as failed:
        stalled.result(timeout=PATIENCE_S)
    company.let("beside")

    assert "stalled" == failed.value.reason
    assert "deliveries 0" == beside.result(timeout=PATIENCE_S)
    assert (0, 1) == (company.depths("sync").counted("charged"), len(company.text("stalled-runs")))
    assert " in ignore" in company.log()


def test_no_timeout_is_something_else_than_the_tasks() -> None:
    none, unsaid = call_options(timeout=None).options, call_options().options

    assert none is not None
    assert (0, None) == (none.timeout_ms, unsaid)
