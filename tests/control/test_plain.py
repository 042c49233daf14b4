"""Plain values: whatever was enqueued can be read as JSON, and comes back as what it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heijunka.control.plain import DEEPEST, encoded, plain
from heijunka.errors import UndecodableArguments

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
)
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["$base64", "$map", "$time", "$ext"])
values = st.recursive(
    scalars, lambda held: st.lists(held) | st.dictionaries(texts, held) | st.dictionaries(st.integers(0, 9), held)
)


@given(values)
def test_every_value_survives_the_way_to_json_and_back(value: Any) -> None:
    there = json.loads(json.dumps(plain(msgspec.msgpack.encode(value)), allow_nan=False))

    assert value == msgspec.msgpack.decode(encoded(there))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": b"hi"}, {"a": {"$base64": "aGk="}}),
        (datetime(2030, 1, 1, tzinfo=UTC), {"$time": "2030-01-01T00:00:00+00:00"}),
        ([float("inf"), float("nan")], [{"$float": "inf"}, {"$float": "nan"}]),
        ({1: "one"}, {"$map": [[1, "one"]]}),
        ({"$time": "not one"}, {"$map": [["$time", "not one"]]}),
        ({"$time": 1, "b": 2}, {"$time": 1, "b": 2}),
        (msgspec.msgpack.Ext(5, b"a"), {"$ext": [5, "YQ=="]}),
    ],
)
def test_what_json_lacks_is_an_object_with_a_dollar(value: Any, expected: Any) -> None:
    assert expected == plain(msgspec.msgpack.encode(value))
    assert msgspec.msgpack.encode(value) == encoded(expected)


def test_a_map_may_have_lists_as_keys() -> None:
    stored = msgspec.msgpack.encode({(1, 2): 3})

    assert {"$map": [[[1, 2], 3]]} == plain(stored)
    assert stored == encoded(plain(stored))


@pytest.mark.parametrize(
    "stored",
    [b"", b"\xc1", b"\x81\xa1a", b"\x91" * (DEEPEST + 1) + b"\x01", b"\x91" * 100_000 + b"\x01"],
    ids=["empty", "no msgpack", "cut off", "deep", "very deep"],
)
def test_what_cannot_be_read_is_a_typed_error(stored: bytes) -> None:
    with pytest.raises(UndecodableArguments):
        plain(stored)


@pytest.mark.parametrize(
    "value",
    [
        {"$base64": "?"},
        {"$base64": 7},
        {"$time": "soon"},
        {"$ext": [1]},
        {"$ext": ["a", "YQ=="]},
        {"$map": [[{}, 1]]},
        {"$map": 3},
        {"$float": "x"},
        2**70,
    ],
)
def test_what_is_no_value_is_a_typed_error(value: Any) -> None:
    with pytest.raises(UndecodableArguments):
        encoded(value)
