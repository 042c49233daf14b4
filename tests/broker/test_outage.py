"""An outage is talked about at its begin, at its end, and ever less in between."""

from __future__ import annotations

import pytest

from heijunka.broker.outage import Outage
from heijunka.errors import RedisUnreachable, Unconfirmed


def test_a_long_outage_is_told_ever_less_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    outage = Outage("keeper", clock=lambda: now)
    told_at = []

    while now < 200.0:
        before = len(caplog.messages)
        outage.failed(OSError("no"))
        told_at += [now] * (len(caplog.messages) - before)
        now += 0.25
    outage.over()
    outage.over()

    assert [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0] == told_at
    assert "keeper: Redis answers again after 3 m" == caplog.messages[-1]


def test_pauses_between_calls_grow_to_a_second_at_most() -> None:
    outage = Outage("keeper")

    pauses = [outage.failed(OSError("no")) for _ in range(200)]

    assert max(pauses[:3]) <= 0.08
    assert 0.5 < max(pauses) <= 1.0


def test_a_new_outage_starts_from_the_beginning(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("keeper", clock=iter((0.0, 0.5, 1.0, 1.25, 1.5)).__next__)
    for _ in range(3):
        outage.failed(OSError("one"))
    outage.over()

    outage.failed(OSError("two"))

    assert "keeper: two" == caplog.messages[-1]


def test_only_a_server_that_cannot_be_reached_is_told_to_be_away() -> None:
    """What answers, or broke off in the middle of a call, may well be there."""
    away: list[str] = []
    outage = Outage("keeper", away=lambda: away.append("away"))

    outage.failed(Unconfirmed("no reply"))
    outage.failed(RedisUnreachable("nobody there"))

    assert ["away"] == away
