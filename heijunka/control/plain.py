"""Encoded arguments as plain JSON values, and back.

Without an application nobody knows the types of a task's parameters, but operators still have to read, export and
change what it was called with. msgpack holds more than JSON does, so what JSON lacks is an object with one key that
begins with `$`: `{"$base64": "…"}` for bytes, `$time` for moments, `$float` for nan and the infinities, `$ext` for
extension types, and `$map` for maps that are no JSON objects or look like one of these. Nothing is lost on the way.
"""

from __future__ import annotations

import base64
import binascii
import math
from datetime import datetime
from typing import Any, Final

import msgspec

from heijunka.errors import UndecodableArguments

DEEPEST: Final = 100
"""Levels of lists and maps that are read; a bound well below the interpreter's."""

_MARKS: Final = {"$base64", "$time", "$float", "$ext", "$map"}


def plain(encoded: bytes | msgspec.Raw) -> Any:
    """Encoded arguments as values that `json.dumps` takes.

    Raises:
        UndecodableArguments: the bytes are no msgpack, or nested too deeply.

    Example:
        >>> plain(msgspec.msgpack.encode({"card": b"hi", "cents": 7}))
        {'card': {'$base64': 'aGk='}, 'cents': 7}
    """
    try:
        return _plain(msgspec.msgpack.decode(encoded), DEEPEST)
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise UndecodableArguments(f"the arguments cannot be read: {error}") from error


def encoded(value: Any) -> bytes:
    """What `plain` made of some bytes, as bytes that decode to the same; also anything that JSON holds.

    Raises:
        UndecodableArguments: a `$` object is malformed, or the value cannot be encoded.
    """
    try:
        return msgspec.msgpack.encode(_unplain(value, DEEPEST))
    except (TypeError, ValueError, OverflowError, RecursionError, KeyError) as error:
        raise UndecodableArguments(f"not a value: {error}") from error


def _plain(value: Any, levels: int) -> Any:
    if levels == 0:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    if isinstance(value, (list, tuple)):
        return [_plain(each, levels - 1) for each in value]
    if not isinstance(value, dict):
        return _plain_scalar(value)
    if all(isinstance(key, str) for key in value) and not _looks_marked(value):
        return {key: _plain(each, levels - 1) for key, each in value.items()}
    return {"$map": [[_plain(key, levels - 1), _plain(each, levels - 1)] for key, each in value.items()]}


def _plain_scalar(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return {"$float": str(value)}
        case bytes():
            return {"$base64": base64.b64encode(value).decode()}
        case datetime():
            return {"$time": value.isoformat()}
        case msgspec.msgpack.Ext():
            return {"$ext": [value.code, base64.b64encode(value.data).decode()]}
        case _:
            return value


def _unplain(value: Any, levels: int) -> Any:
    if levels == 0:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    if isinstance(value, list):
        return [_unplain(each, levels - 1) for each in value]
    if not isinstance(value, dict):
        return value
    if _looks_marked(value):
        [(mark, held)] = value.items()
        return _unmarked(mark, held, levels - 1)
    return {key: _unplain(each, levels - 1) for key, each in value.items()}


def _unmarked(mark: str, held: Any, levels: int) -> Any:
    match mark:
        case "$base64":
            return _bytes(held)
        case "$time":
            return datetime.fromisoformat(held)
        case "$float":
            return float(held)
        case "$ext":
            code, data = held
            return msgspec.msgpack.Ext(code, _bytes(data))
        case _:
            return {_key(_unplain(key, levels)): _unplain(each, levels) for key, each in held}


def _looks_marked(value: dict[Any, Any]) -> bool:
    return len(value) == 1 and not _MARKS.isdisjoint(value)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text!r} is no base64: {error}") from error


def _key(value: Any) -> Any:
    """Lists that are keys come as tuples from msgspec, which are hashable."""
    return tuple(map(_key, value)) if isinstance(value, list) else value
