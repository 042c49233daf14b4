"""Turn the words of a command line into the arguments of a task, in the types of its signature.

A word is JSON when it reads as JSON of the parameter's type, else it is the text itself: `7` is a number for
an `int` and a text for a `str`, and a UUID or a date needs no quotes. `NAME=VALUE` passes by name, and a
name that the task does not have is refused rather than taken for a text. Nothing is evaluated.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from heijunka.app.signature import decode_hook
from heijunka_cli.ending import Usage, did_you_mean
from heijunka_cli.safe_text import safe_text

if TYPE_CHECKING:
    from heijunka.app.enqueueable import Enqueueable

_KEYWORD: Final = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)
_BY_PLACE: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME: Final = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_SHOWN: Final = 60


class Bound(NamedTuple):
    """The arguments of one call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class _Refused(Exception):
    """A value is not of its parameter's type; the text says why."""


def from_words(task: Enqueueable[Any, Any], words: Sequence[str]) -> Bound:
    """The arguments that `words` mean.

    Parameters:
        task: whose signature they are for.
        words: as the shell passes them.

    Raises:
        Usage: they do not fit the signature.
        DefinitionError: an annotation of the task cannot be resolved.

    Example:
        >>> from_words(charge, ["018f2c3e-…", "amount=9.90"])  # doctest: +SKIP
        Bound(args=(UUID('018f2c3e-…'),), kwargs={'amount': Decimal('9.90')})
    """
    types = _Types(task)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    places = types.places()
    for word in words:
        found = _KEYWORD.fullmatch(word)
        if found is None:
            name, kind = next(places, ("", Any))
            args.append(_of_word(task, name, word, kind))
        elif found[1] in kwargs:
            raise Usage(f"{task.name} is given {found[1]} twice")
        else:
            kwargs[found[1]] = _of_word(task, found[1], found[2], types.of_name(found[1]))
    return _checked(task, Bound(tuple(args), kwargs))


def from_json(task: Enqueueable[Any, Any], text: str) -> Bound:
    """The arguments that a JSON object has by name, or a JSON array by place.

    Raises:
        Usage: it is neither, or does not fit the signature.
        DefinitionError: an annotation of the task cannot be resolved.
    """
    types = _Types(task)
    raw: Any = msgspec.Raw
    try:
        given = msgspec.json.decode(text, type=dict[str, raw] | list[raw])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Usage(f"--args is no JSON object or array: {error}", hint=f"write {shown(task)} as JSON") from None
    if isinstance(given, dict):
        kwargs = {name: _of_json(task, name, bytes(value), types.of_name(name)) for name, value in given.items()}
        return _checked(task, Bound((), kwargs))
    places = types.places()
    named = [(*next(places, ("", Any)), bytes(value)) for value in given]
    return _checked(task, Bound(tuple(_of_json(task, name, value, kind) for name, kind, value in named), {}))


def shown(task: Enqueueable[Any, Any]) -> str:
    """A task's call as it is written in its source: `charge(order: UUID, amount: Decimal)`."""
    signature = task.signature.signature
    parameters = [
        each if isinstance(each.annotation, type) else each.replace(annotation=_annotation(each.annotation))
        for each in signature.parameters.values()
    ]
    return f"{task.name}{signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)}"


class _Types:
    """The types of a task's parameters, by place and by name."""

    def __init__(self, task: Enqueueable[Any, Any]) -> None:
        task.signature.prepare()
        self._task = task
        self._parameters = task.signature.parameters
        self._hints = typing.get_type_hints(task.signature.function, include_extras=True)

    def places(self) -> Iterator[tuple[str, Any]]:
        """Names and types in the order in which they are passed by place; without end when any number is."""
        for parameter in self._parameters:
            kind = self._hints.get(parameter.name, Any)
            if parameter.kind in _BY_PLACE:
                yield parameter.name, kind
            while parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                yield parameter.name, kind

    def of_name(self, name: str) -> Any:
        """The type of what is passed as `name`."""
        by_name = {parameter.name: parameter for parameter in self._parameters if parameter.kind in _BY_NAME}
        any_name = [each for each in self._parameters if each.kind is inspect.Parameter.VAR_KEYWORD]
        if name in by_name:
            return self._hints.get(name, Any)
        if any_name:
            return self._hints.get(any_name[0].name, Any)
        near = did_you_mean(name, by_name)
        text = f"{shown(self._task)}; a text with = in it is written '\"{name}=…\"'"
        raise Usage(f"{self._task.name} has no parameter {name!r}", hint=near or text)


def _of_word(task: Enqueueable[Any, Any], name: str, word: str, kind: Any) -> Any:
    try:
        return _value(word, kind)
    except _Refused as refused:
        raise _unfit(task, name, word, refused) from None


def _of_json(task: Enqueueable[Any, Any], name: str, value: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(value, type=kind, dec_hook=decode_hook)
    except (msgspec.MsgspecError, NotImplementedError, ValueError, TypeError) as error:
        raise _unfit(task, name, value.decode(), error) from None


def _value(word: str, kind: Any) -> Any:
    wrong: Exception | None = None
    try:
        return msgspec.json.decode(word, type=kind, dec_hook=decode_hook)
    except (msgspec.ValidationError, NotImplementedError) as error:
        wrong = error  # JSON, but of another type
    except (msgspec.DecodeError, UnicodeEncodeError):
        pass  # no JSON
    try:
        return msgspec.convert(word, kind, dec_hook=decode_hook)
    except (msgspec.MsgspecError, NotImplementedError, ValueError, TypeError) as error:
        raise _Refused(str(wrong or error)) from None


def _unfit(task: Enqueueable[Any, Any], name: str, given: str, why: Exception) -> Usage:
    what = f"{name} " if name else ""
    reason = str(why).replace("`", "").partition("\n")[0]
    return Usage(f"{task.name} cannot take {what}{safe_text(given, longest=_SHOWN)!r}: {reason}", hint=shown(task))


def _checked(task: Enqueueable[Any, Any], bound: Bound) -> Bound:
    try:
        task.signature.signature.bind(*bound.args, **bound.kwargs)
    except TypeError as error:
        raise Usage(f"{task.name}: {error}", hint=shown(task)) from None
    return bound


class _annotation:  # noqa: N801 - it stands for a piece of source
    """What inspect shows as it is written."""

    def __init__(self, written: Any) -> None:
        self._written = written if isinstance(written, str) else inspect.formatannotation(written)

    def __repr__(self) -> str:
        return self._written
