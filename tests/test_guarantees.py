"""docs/guarantees.md promises nothing that no test is about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "guarantees.md"
TEXT = PAGE.read_text()
LINKS = re.findall(r'^\[(\d+[a-z])\]: (\S+) "(\w+)"$', TEXT, re.MULTILINE)
PROMISES = re.findall(r"^(\d+)\. (.+?)(?=\n\d+\. |\n\n)", TEXT, re.MULTILINE | re.DOTALL)
MARK = r"\[\d+[a-z]\](?!:)"


@pytest.mark.parametrize(("mark", "path", "test"), LINKS, ids=[link[0] for link in LINKS])
def test_a_mark_leads_to_a_test_that_exists(mark: str, path: str, test: str) -> None:
    code = (PAGE.parent / path).read_text()

    assert re.search(rf"^(async )?def {test}\(", code, re.MULTILINE), f"[{mark}]: {path} has no {test}"


def test_every_mark_is_defined_and_every_definition_used() -> None:
    used = {mark.strip("[]") for mark in re.findall(MARK, TEXT)}

    assert sorted({mark for mark, _, _ in LINKS}) == sorted(used)


@pytest.mark.parametrize(("number", "text"), PROMISES, ids=[promise[0] for promise in PROMISES])
def test_every_sentence_of_a_promise_has_its_test(number: str, text: str) -> None:
    promise = text.partition("*Limits:*")[0]
    _, name, sentences = re.split(r"\*\*", promise, maxsplit=2)
    assert name.endswith("."), f"promise {number} has a name"

    for sentence in re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(sentences.split())):
        assert re.search(rf"{MARK}\.$", sentence), f"promise {number}, no test behind: {sentence}"


def test_there_are_promises() -> None:
    assert [str(number) for number in range(1, len(PROMISES) + 1)] == [number for number, _ in PROMISES]
    assert len(PROMISES) >= 12
