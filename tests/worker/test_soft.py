"""Soft timeouts: raised in the task that runs for too long, in every executor, and nowhere else."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest

from heijunka import JobFailed, SoftTimeout
from heijunka.errors import DefinitionError, InvalidOption
from heijunka.worker import soft
from heijunka.worker.runnable import runnables
from heijunka.worker.soft import Alarm, Softly, in_thread
from tests.worker import stage
from tests.worker.company import PATIENCE_S, Hire

EXECUTORS = [
    pytest.param("sync", 1, id="main thread"),
    pytest.param("sync", 3, id="threads"),
    pytest.param("loop", 3, id="threads of a loop"),
]
CURRENT: Any = object()
"""What tasks of these tests are passed and do not look at."""

# -- on real workers -----------------------------------------------------------------------------


@pytest.mark.parametrize(("domain", "slots"), EXECUTORS)
def test_a_task_may_catch_it_and_let_through_it_is_an_error_like_any_other(hire: Hire, domain: str, slots: int) -> None:
    hire(domain, slots)
    caught, again, through = (stage.app.named(f"{name}_{domain}").enqueue() for name in ("tidy", "again", "spin"))

    assert "soft_timeout" in caught.result(timeout=PATIENCE_S)
    assert 2 == again.result(timeout=PATIENCE_S)
    with pytest.raises(JobFailed, match="soft_timeout") as failed:
        through.result(timeout=PATIENCE_S)
    assert ("timeout", "heijunka.errors.SoftTimeout") == (failed.value.reason, failed.value.error_type)


def test_a_coroutine_is_cancelled_and_fails_with_it_unless_it_returns(hire: Hire) -> None:
    hire("loop", 3)
    caught, through, other = stage.atidy.enqueue(), stage.aspin.enqueue(), stage.own_timeout.enqueue()

    assert "tidied" == caught.result(timeout=PATIENCE_S)
    with pytest.raises(JobFailed) as failed:
        through.result(timeout=PATIENCE_S)
    assert ("timeout", "heijunka.errors.SoftTimeout") == (failed.value.reason, failed.value.error_type)
    with pytest.raises(JobFailed) as failed:
        other.result(timeout=PATIENCE_S)
    assert ("retries", "TimeoutError") == (failed.value.reason, failed.value.error_type)


def test_a_call_may_ask_for_it_or_for_none(hire: Hire) -> None:
    company = hire("sync", 3)
    limited = stage.ignore.options(soft_timeout="50ms", attempts=1).enqueue("limited")
    unlimited = stage.app.named("tidy_sync").options(soft_timeout=None).enqueue()

    with pytest.raises(JobFailed, match="soft_timeout"):
        limited.result(timeout=PATIENCE_S)
    assert "in time" == stage.quick.enqueue().result(timeout=PATIENCE_S)
    assert "running" == unlimited.status().state
    unlimited.cancel()
    assert company.process.poll() is None


# -- whatever the timing -------------------------------------------------------------------------


def anything() -> int:
    """Instructions in which something could strike that should not."""
    return sum(number % 7 for number in range(200))


class Spinning:
    """Tasks that run for about as long as they may.

    Parameters:
        softly: what runs them.
    """

    def __init__(self, softly: Softly) -> None:
        self._softly, self._chance = softly, random.Random(3)
        self.inside = False
        self.returned = self.struck = self.outside = 0

    def task(self, _: Any) -> str:
        """Run for up to 2 ms."""
        end = time.perf_counter() + self._chance.random() / 500
        while time.perf_counter() < end:
            pass
        return "value"

    def go_on(self, times: int) -> None:
        """Run some, each for 1 ms."""
        for _ in range(times):
            try:
                try:
                    value = self._softly(copy_context(), self.task, CURRENT, 1)
                except SoftTimeout:
                    self.struck += 1
                else:
                    assert "value" == value
                    self.returned += 1
                anything()
            except SoftTimeout:
                self.outside += 1

    def both_happened(self) -> bool:
        """Whether some were struck and some were not."""
        return self.struck > 0 and self.returned > 0


@pytest.fixture
def alarm() -> Iterator[Softly]:
    before = signal.getsignal(signal.SIGALRM)
    yield Alarm()
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    signal.signal(signal.SIGALRM, before)


def test_in_the_main_thread_nothing_is_struck_but_tasks(alarm: Softly) -> None:
    spinning = Spinning(alarm)

    while not spinning.both_happened():
        spinning.go_on(500)

    assert 0 == spinning.outside


def test_in_threads_nothing_is_struck_but_tasks() -> None:
    each = [Spinning(in_thread) for _ in range(3)]

    while not all(spinning.both_happened() for spinning in each):
        threads = [threading.Thread(target=spinning.go_on, args=(300,)) for spinning in each]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [0, 0, 0] == [spinning.outside for spinning in each]


def test_an_alarm_that_rings_between_tasks_is_for_nobody(alarm: Softly) -> None:
    assert 7 == alarm(copy_context(), lambda _: 7, CURRENT, 60_000)

    signal.raise_signal(signal.SIGALRM)

    anything()


def test_an_alarm_that_rings_in_a_task_strikes_it_there(alarm: Softly) -> None:
    def caught(_: Any) -> str:
        try:
            signal.raise_signal(signal.SIGALRM)
            anything()
        except SoftTimeout as late:
            return str(late)
        return "never"

    assert "the attempt ran longer than its soft_timeout of 60.0 s" == alarm(copy_context(), caught, CURRENT, 60_000)


def test_a_ticket_whose_task_has_ended_strikes_nobody() -> None:
    mine = soft.WATCHER.ticket(60_000)
    mine.end()

    mine.strike()

    anything()
    assert not mine.raised


def test_an_error_of_the_task_and_of_the_context_stay_what_they_are(alarm: Softly) -> None:
    def wrong(_: Any) -> None:
        raise KeyError("mine")

    for softly in (alarm, in_thread):
        with pytest.raises(KeyError, match="mine"):
            softly(copy_context(), wrong, CURRENT, 60_000)


# -- what may be asked for -----------------------------------------------------------------------


@pytest.mark.parametrize("soft_timeout", [0, -1, "soon", "30s", "1m"])
def test_it_is_a_duration_shorter_than_the_timeout(soft_timeout: Any) -> None:
    with pytest.raises(InvalidOption) as wrong:
        stage.app.task(name="wrong", timeout="30s", soft_timeout=soft_timeout)
    assert "soft_timeout" == wrong.value.option
    assert isinstance(wrong.value, DefinitionError)


def test_a_call_is_compared_with_what_its_task_says() -> None:
    task = stage.app.named("tidy_sync")

    with pytest.raises(InvalidOption, match="would never come"):
        task.options(timeout="50ms")
    assert 0 == task.options(timeout="50ms", soft_timeout=None).call.options.soft_timeout_ms  # type: ignore[union-attr]


def test_a_tasks_soft_timeout_is_compared_with_the_settings_before_workers_start() -> None:
    from heijunka import Heijunka

    short = Heijunka("short", timeout="1s")

    @short.task(soft_timeout="2s")
    def late() -> None: ...

    with pytest.raises(DefinitionError, match=r"soft_timeout of late \(2.0 s\) would never come: its timeout is 1.0 s"):
        runnables(short)


def test_the_settings_soft_timeout_does_not_concern_tasks_that_may_not_run_that_long() -> None:
    from heijunka import Heijunka

    app = Heijunka("app", soft_timeout="10s")

    @app.task(timeout="5s")
    def short() -> None: ...

    @app.task
    def long() -> None: ...

    assert {"short": 0, "long": 10_000} == {name: each.soft_timeout_ms for name, each in runnables(app).items()}
