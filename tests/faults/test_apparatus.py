"""The checker itself, its bookkeeping and its breaks: quick, and so part of every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from heijunka.broker import scripts
from heijunka.commands import Depths
from tests.faults import invariants
from tests.faults.accounts import account
from tests.faults.breakage import BREAKS, Mutation
from tests.faults.figures import Row, kept
from tests.faults.invariants import Remains
from tests.faults.ledger import ENDED, FAILED, STARTED, Ledger, Line
from tests.faults.page import table


def lines(*kinds_and_ops: tuple[str, int]) -> list[Line]:
    return [Line(kind, op, 1, at) for at, (kind, op) in enumerate(kinds_and_ops)]


def test_what_a_ledger_was_told_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with ledger.attempt(1, attempt=2, deliveries=3):
        assert [1] == [line.op for line in ledger.running()]
    ledger.note(STARTED, 2)

    assert [(STARTED, 1, 2, 3), (ENDED, 1, 2, 3), (STARTED, 2, 1, 0)] == [
        (line.kind, line.op, line.attempt, line.deliveries) for line in ledger.lines()
    ]
    assert [2] == [line.op for line in ledger.running()]
    ledger.close()


def test_an_account_tells_every_fate_apart() -> None:
    books = account(
        lines((STARTED, 1), (ENDED, 1), (STARTED, 2), (STARTED, 2), (ENDED, 2), (STARTED, 6), (ENDED, 6)),
        accepted=[1, 2, 3, 4, 5],
        unknown=[6, 7],
        refused=[8],
        dead=[3],
        queued=[4, 8],
    )

    assert ([5], [8], [6], [], 1) == (
        sorted(books.lost), sorted(books.unexpected), sorted(books.recovered), sorted(books.copies), books.repeats,
    )  # fmt: skip


def test_a_retry_is_no_repeat_and_a_second_copy_is_seen() -> None:
    books = account(
        lines((STARTED, 1), (FAILED, 1), (STARTED, 1), (ENDED, 1), (STARTED, 2), (ENDED, 2)),
        accepted=[1, 2, 3],
        dead=[2],
        queued=[3, 3],
    )

    assert (0, [2, 3]) == (books.repeats, sorted(books.copies))


def depths(load: int = 0, **counters: int) -> Depths:
    return Depths({"high": 0, "normal": load, "low": 0}, 0, 0, 0, 0, 0, load, counters)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (invariants.i1_nothing_is_lost(account([], accepted=[1, 2])), "I1: 2 accepted jobs are lost: 1, 2"),
        (
            invariants.i1_nothing_is_lost(account([], accepted=range(12))),
            "I1: 12 accepted jobs are lost: 0, 1, 10, 11, 2, 3, 4, 5, 6, 7 and 2 more",
        ),
        (
            invariants.i2_nothing_is_unexpected(account([], accepted=[], queued=[4])),
            "I2: 1 jobs were never accepted: 4",
        ),
        (
            invariants.i2_nothing_is_unexpected(account([], accepted=[4], queued=[4, 4])),
            "I2: 1 jobs exist more than once: 4",
        ),
        (
            invariants.i3_the_books_balance(account([], accepted=[1]), depths(enqueued=1)),
            "I3: 1 jobs were enqueued by the counters, 0 ended or wait",
        ),
        (
            invariants.i3_the_books_balance(account([], accepted=[1]), depths(2, enqueued=2)),
            "I3: the counters have 2 jobs, producers 1 to 1",
        ),
        (
            invariants.i3_the_books_balance(account([], accepted=[1]), depths(enqueued=1, ack=1)),
            "I3: 1 jobs are acked by the counters, the ledger has 0 ends",
        ),
        (
            invariants.i4_repeats_are_bounded(account(lines((STARTED, 1), (STARTED, 1)), accepted=[1]), 0),
            "I4: 1 attempts were repeated, at most 0 may be: 1",
        ),
        (
            invariants.i5_nothing_is_held(Remains(entries={"a": 1, "b": 0}, pending={"b": 2})),
            "I5: streams are not empty after the drain: {'a': 1, 'pending of b': 2}",
        ),
        (
            invariants.i5_nothing_is_held(Remains(consumers=("w",))),
            "I5: consumers are left of workers that are not registered: w",
        ),
        (
            invariants.i8_nothing_leaks(Remains(processes=("sleep 9",), clients=("hj:w",), boards=("/b",))),
            "I8: 3 things outlive their owners: /b, connection hj:w, sleep 9",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(found: str | None, message: str) -> None:
    assert message == found


def test_a_job_that_changes_its_id_is_seen() -> None:
    books = account([Line(STARTED, 1, 1, 0, job="a"), Line(ENDED, 1, 1, 1, job="b")], accepted=[1])

    assert "I2: 1 jobs ran under several ids: 1" == invariants.i2_nothing_is_unexpected(books)


def test_nothing_is_wrong_with_books_that_balance() -> None:
    books = account(lines((STARTED, 1), (ENDED, 1)), accepted=[1, 2], unknown=[3], dead=[2])

    assert [] == invariants.violations(books, depths(enqueued=2, ack=1, dead=1), Remains(), repeats=0)


@pytest.mark.parametrize("name", [name for name, broken in BREAKS.items() if isinstance(broken, Mutation)])
def test_a_break_still_finds_what_it_breaks(name: str) -> None:
    broken = BREAKS[name]
    assert isinstance(broken, Mutation)

    assert broken.mutant().sha != scripts.load(broken.script).sha


def test_rows_are_kept_and_shown_as_one_line_each(tmp_path: Path) -> None:
    file = tmp_path / "figures"
    for ms in (12.3, 1_500.0):
        row = Row(
            row=7, fault="it | breaks", target="≤ 2 s", faults=3, jobs=10, repeats=1, bound=2, note="so", passed=True
        )
        row.recovered(ms)
        row.keep(file)
    Row(row=1, fault="other", lost=4).keep(file)

    assert [
        "| 1 | other | 1 | 0 | **4** | 0 of 0 | | | **failed** |",
        "| 7 | it \\| breaks | 6 | 20 | 0 | 2 of 4 | 1.5 s | ≤ 2 s | so |",
    ] == table(kept(file))
