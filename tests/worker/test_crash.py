"""Who is to blame for a death."""

from __future__ import annotations

import signal

import pytest

from heijunka.wire import Failure, decode_end
from heijunka.worker import crash
from heijunka.worker.board import Running

NOW_NS = 10_000_000_000
SLOW = Running(0, 3, b"1-0", bytes(16), since_ns=0, limit_ms=2_000)
FRESH = Running(1, 5, b"2-0", bytes(16), since_ns=NOW_NS - 1, limit_ms=2_000)


def failure_of(death: crash.Death) -> Failure:
    failure = decode_end(death.failure)
    assert isinstance(failure, Failure)
    return failure


def test_everything_that_ran_is_charged_when_a_worker_dies_by_itself() -> None:
    death = crash.of("payment", "w1", -signal.SIGSEGV, running=[SLOW, FRESH], killed_for=None, now_ns=NOW_NS)

    assert ((3, "1-0"), (5, "2-0")) == death.charged
    assert ("poison", "w1 was killed by SIGSEGV while it ran this job", "w1") == (
        failure_of(death).reason,
        failure_of(death).message,
        failure_of(death).worker,
    )


def test_only_what_outlived_its_limit_is_blamed_when_we_killed_the_worker_for_it() -> None:
    death = crash.of("payment", "w1", -signal.SIGKILL, running=[SLOW, FRESH], killed_for="timeout", now_ns=NOW_NS)

    assert ((), ((3, "1-0"),)) == (death.charged, death.overdue)
    assert "was killed because an attempt ran longer than 2.0 s" == death.how


def test_nothing_is_charged_when_we_killed_the_worker_to_stop() -> None:
    death = crash.of("payment", "w1", -signal.SIGKILL, running=[SLOW, FRESH], killed_for="stop", now_ns=NOW_NS)

    assert () == death.charged


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended"),
        (75, "exited with code 75"),
        (-9, "was killed by SIGKILL"),
        (-34, "was killed by SIGRTMIN"),
        (-999, "was killed by signal 999"),
    ],
)
def test_an_ending_is_told_in_words(code: int, words: str) -> None:
    assert words == crash.ending(code)
