"""Fingerprints: the same for what died of the same, wherever and whenever that was."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.control.fingerprint import blotted, fingerprint, own_frames

TEMPLATE = """Traceback (most recent call last):
  File "/srv/venv/lib/python3.12/site-packages/heijunka/worker/inline.py", line 51, in run
    value = runnable.run(current)
  File "/srv/releases/41/shop/tasks.py", line 17, in charge
    pay(order)
  File "/srv/releases/41/shop/bank.py", line {line}, in pay
    raise CardRefused(order)
shop.bank.CardRefused: order {line}
"""
TRACEBACK = TEMPLATE.format(line=40)


def test_another_line_folder_or_number_is_the_same_failure() -> None:
    before = TRACEBACK
    after = TEMPLATE.format(line=44).replace("/srv/releases/41/", "C:\\releases\\42\\")

    prints = {fingerprint("charge", "retries", "CardRefused", "order", trace) for trace in (before, after)}

    assert 1 == len(prints)
    assert all(re.fullmatch("[0-9a-f]{12}", each) for each in prints)


@pytest.mark.parametrize(
    "other",
    [
        ("refund", "retries", "CardRefused", TRACEBACK),
        ("charge", "final", "CardRefused", TRACEBACK),
        ("charge", "retries", "ValueError", TRACEBACK),
        ("charge", "retries", "CardRefused", TRACEBACK.replace("in pay", "in lend")),
        ("charge", "retries", "CardRefused", TRACEBACK.replace("bank.py", "till.py")),
    ],
)
def test_another_task_reason_type_or_place_is_another_failure(other: tuple[str, str, str, str]) -> None:
    task, reason, kind, trace = other

    one = fingerprint("charge", "retries", "CardRefused", "refused", TRACEBACK)

    assert one != fingerprint(task, reason, kind, "refused", trace)


def test_frames_of_libraries_and_of_the_queue_itself_do_not_count() -> None:
    assert ("tasks.py:charge", "bank.py:pay") == own_frames(TRACEBACK)


def test_only_the_innermost_frames_count() -> None:
    deep = "".join(f'  File "/app/deep.py", line {level}, in level_{level}\n    go()\n' for level in range(9))

    assert ("deep.py:level_6", "deep.py:level_7", "deep.py:level_8") == own_frames(deep)


def test_of_chained_exceptions_the_last_counts() -> None:
    chained = (
        TRACEBACK.replace("in pay", "in first")
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + TRACEBACK.replace("in pay", "in second")
    )

    assert ("tasks.py:charge", "bank.py:second") == own_frames(chained)


def test_without_frames_the_message_counts_but_not_what_is_different_each_time() -> None:
    told = [
        fingerprint("charge", "poison", "", f"worker {worker} died of signal 9 running {job}, order '{job}'", "")
        for worker, job in [
            ("a1b2c3d4e5", "018f2c3e-aaaa-7000-8000-000000000000"),
            ("9e0d1c2b3a", "018f2c3e-bbbb-7000-8000-1234567890ab"),
        ]
    ]

    assert 1 == len(set(told))
    assert told[0] != fingerprint("charge", "poison", "", "worker a1b2c3d4e5 was stopped", "")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("no order 17 in 'eu-1'", "no order <n> in <text>"),
        ("at 10:42:17.5,  line\n 3", "at <n>, line <n>"),
        ("<Order at 0x7fda00beef>", "<Order at <id>>"),
        ("sha 9f86d081884c7d65 differs", "sha <id> differs"),
        ("defaced facade", "defaced facade"),
        ('Expected `int`, got "str" - at `$.cents`', "Expected <text>, got <text> - at <text>"),
        ("", ""),
    ],
)
def test_numbers_ids_and_quoted_text_are_blotted_out(message: str, expected: str) -> None:
    assert expected == blotted(message)


@given(st.text(), st.text(), st.text(max_size=300), st.text(max_size=300))
def test_nothing_that_a_task_can_say_breaks_it(task: str, kind: str, message: str, trace: str) -> None:
    one = fingerprint(task, "retries", kind, message, trace)

    assert one == fingerprint(task, "retries", kind, message, trace)
    assert re.fullmatch("[0-9a-f]{12}", one)
