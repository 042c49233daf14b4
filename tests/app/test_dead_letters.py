"""The whole way of a dead letter: a job fails, somebody looks, corrects its call, retries it, and it returns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heijunka import Heijunka, JobFailed
from heijunka.commands import Depths
from tests.app import shop as the_shop
from tests.app.conftest import Run


def test_a_call_that_was_wrong_is_corrected_and_returns(
    shop: Heijunka, run: Run, depths: Callable[[str], Depths]
) -> None:
    job = the_shop.flaky.options(attempts=1).enqueue(99)
    other = the_shop.refuse.enqueue("reject")
    run("payment")
    with pytest.raises(JobFailed):
        job.result(timeout=5)

    dead = shop.control.dead
    letter = dead.letter("payment", job.id)
    assert ("flaky", "retries", 1, {"fails": 99}) == (
        letter.task,
        letter.reason,
        letter.attempt,
        dead.typed_arguments(letter),
    )
    dead.edit("payment", letter.entry, change={"fails": 0})
    dead.retry("payment", only=[job.id])
    assert "queued" == job.status().state
    run("payment")

    assert 1 == job.result(timeout=5)
    assert [other.id] == [each.id for each in dead.letters("payment")]
    count = depths("payment").counted
    assert (2, 1, 2) == (count("enqueued"), count("revived"), count("dead"))


def test_letters_of_a_real_failure_are_told_by_the_place_in_the_applications_code(shop: Heijunka, run: Run) -> None:
    the_shop.flaky.options(attempts=1).enqueue_many([(99,), (98,)])
    the_shop.refuse.enqueue("reject")
    refused = the_shop.refuse.enqueue("final")
    run("payment")

    groups = shop.control.dead.grouped("payment")

    assert [("flaky", 2), ("refuse", 1), ("refuse", 1)] == sorted(
        (group.example.task, group.letters) for group in groups
    )
    final = shop.control.dead.letter("payment", refused.id)
    assert "tests.app.shop.CardRefused" == final.error_type
