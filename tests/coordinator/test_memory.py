"""What happened between two looks, whatever comes and goes meanwhile."""

from __future__ import annotations

import pytest

from heijunka.commands import Depths, PoolReport
from heijunka.coordinator.memory import Flow, Memory


def depths(**counters: int) -> Depths:
    return Depths({}, 0, 0, 0, 0, 0, 0, counters)


def did(busy_s: float, slot_s: float, ended: int) -> PoolReport:
    return PoolReport(1, busy_ns=round(busy_s * 1e9), slot_ns=round(slot_s * 1e9), ended=ended)


def test_the_first_look_says_nothing() -> None:
    assert Memory().look(1_000, depths(enqueued=5), {"a": did(1, 2, 3)}) is None


def test_what_happened_is_the_difference() -> None:
    memory = Memory()
    memory.look(1_000, depths(enqueued=5, ack=2, refused_hard_n=1), {"a": did(1, 2, 3), "b": did(10, 20, 30)})

    now = depths(enqueued=10, revived=1, ack=4, done=1, refused_hard_n=2, refused_reserve_l=3)
    flow = memory.look(3_000, now, {"a": did(2, 4, 8), "b": did(10.5, 21, 31)})

    assert Flow(2.0, arrivals=10, refused=4, completed=3, attempts=6, busy_s=1.5, slot_s=3.0) == flow


def test_who_is_new_counts_from_the_next_look_on_and_who_is_gone_no_more() -> None:
    memory = Memory()
    memory.look(1_000, depths(), {"gone": did(9, 9, 9), "a": did(1, 1, 1)})

    flow = memory.look(2_000, depths(), {"new": did(7, 7, 7), "a": did(2, 2, 2)})
    later = memory.look(3_000, depths(), {"new": did(8, 9, 9), "a": did(2, 2, 2)})

    assert flow is not None
    assert later is not None
    assert (1.0, 1.0, 1) == (flow.busy_s, flow.slot_s, flow.attempts)
    assert (1.0, 2.0, 2) == (later.busy_s, later.slot_s, later.attempts)


@pytest.mark.parametrize(("at_ms", "enqueued"), [(1_000, 9), (500, 9), (2_000, 3)])
def test_a_clock_or_a_counter_that_went_back_says_nothing_once(at_ms: int, enqueued: int) -> None:
    memory = Memory()
    memory.look(1_000, depths(enqueued=5), {})

    assert memory.look(at_ms, depths(enqueued=enqueued), {}) is None
    flow = memory.look(at_ms + 1_000, depths(enqueued=enqueued + 2), {})
    assert flow is not None
    assert 2 == flow.arrivals
