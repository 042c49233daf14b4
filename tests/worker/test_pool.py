"""Places: ids that never come back, and pauses that grow while workers die."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heijunka.worker.board import Board
from heijunka.worker.pool import LONGEST_PAUSE_S, QUICK_S, Place, Worker, respawn_pause


@pytest.fixture
def place(tmp_path: Path) -> Any:
    class Employed(Place):
        def employ(self, now: float) -> None:
            anything: Any = None
            path = str(tmp_path / self.next_id())
            self.worker = Worker(anything, Board.create(path, 1), anything, now)

    return Employed("host-1", "payment", 3)


def test_ids_tell_where_a_worker_belongs_and_are_never_used_again() -> None:
    place = Place("host-1f", "payment", 3)

    assert ["host-1f-payment-3-1", "host-1f-payment-3-2"] == [place.next_id(), place.next_id()]


def test_the_first_quick_death_costs_nothing_and_further_ones_ever_more(place: Any) -> None:
    pauses = []
    for _ in range(12):
        place.employ(now=100.0)
        pauses.append(place.vacate(100.5, worked=False, ordered=False))

    assert [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0] == pauses
    assert 100.5 + LONGEST_PAUSE_S == place.start_at


@pytest.mark.parametrize(("lived_s", "ordered"), [(QUICK_S, False), (0.1, True)])
def test_a_long_life_or_an_ordered_end_makes_up_for_quick_deaths(place: Any, lived_s: float, ordered: bool) -> None:
    for _ in range(5):
        place.employ(now=100.0)
        place.vacate(100.0, worked=False, ordered=False)

    place.employ(now=200.0)

    assert 0.0 == place.vacate(200.0 + lived_s, worked=True, ordered=ordered)
    place.employ(now=300.0)
    assert 0.0 == place.vacate(300.0, worked=False, ordered=False)


def test_workers_that_die_of_jobs_are_not_waited_for_long() -> None:
    assert 1.0 == respawn_pause(10_000, worked=True)
    assert 30.0 == respawn_pause(10_000, worked=False)
