"""No text of others moves the cursor, forges a line or reads backwards."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heijunka_cli.safe_text import json_text, safe_json, safe_text

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\r\nERROR forged\t\x9b31m\x7f\u202eback\u2028\u2066\ud800\U000e0041"
ANYTHING = st.text(st.characters(exclude_categories=()))


def is_unsafe(letter: str) -> bool:
    kinds = {"Cc", "Zl", "Zp", "Cs"}
    turns = unicodedata.bidirectional(letter) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return unicodedata.category(letter) in kinds or turns or 0xE0000 <= ord(letter) <= 0xE007F


def test_what_is_unsafe_is_written_as_in_a_python_literal() -> None:
    assert (
        r"a\x1b]0;owned\x07\x1b[2J\r\nERROR forged\t\x9b31m\x7f\u202eback\u2028\u2066\ud800\U000e0041"
    ) == safe_text(HOSTILE)


@given(ANYTHING)
@example(HOSTILE)
def test_nothing_unsafe_is_left_in_any_text(text: str) -> None:
    assert [] == [letter for letter in safe_text(text) if is_unsafe(letter)]


@pytest.mark.parametrize("text", ["charge", "naïve café", "支払い", "👩‍👧", r"C:\temp", "", "a b"])
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    assert text == safe_text(text)


def test_a_long_text_is_cut_before_it_is_escaped() -> None:
    assert 500 == len(safe_text("x" * 501))
    assert "xx…" == safe_text("xxxx", longest=3)
    assert "xxxx" == safe_text("xxxx", longest=4)
    assert 600 == len(safe_text("x" * 600, longest=None))


def test_bytes_and_other_things_are_shown_as_text() -> None:
    assert ("payment", r"\xff\x1b", "7") == (safe_text(b"payment"), safe_text(b"\xff\x1b"), safe_text(7))


@given(st.recursive(st.none() | st.integers() | ANYTHING, lambda inner: st.dictionaries(ANYTHING, inner)))
@example({"task": HOSTILE})
def test_json_is_safe_and_reads_back_as_the_same(value: object) -> None:
    written = json_text(value)

    assert [] == [letter for letter in written.replace("\n", "") if is_unsafe(letter)]
    assert value == json.loads(written)


def test_json_that_others_wrote_is_made_safe() -> None:
    assert '{"a":"\\u009b\\u202e"}\n' == safe_json('{"a":"\x9b\u202e"}\n')
