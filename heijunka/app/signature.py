"""A task's signature: binds calls, encodes them once, and decodes them into the annotated types.

Arguments travel as a msgpack map by parameter name, and only those that were given: the defaults are
the worker's. For a plain signature a msgspec Struct does all of it in C; the rest goes through
`inspect.Signature.bind` first.
"""

from __future__ import annotations

import inspect
import itertools
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from heijunka.errors import (
    DefinitionError,
    NotEncodable,
    PayloadTooLarge,
    UndecodableArguments,
    UnresolvedAnnotation,
    text_of,
)

_PLAIN = inspect.Parameter.POSITIONAL_OR_KEYWORD
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, _PLAIN)


def encode_hook(value: Any) -> Any:
    """Encode what msgspec does not know: pydantic's models, recognised by their methods."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise NotImplementedError(f"values of type {type(value).__qualname__} cannot be encoded")


def decode_hook(kind: Any, value: Any) -> Any:
    """Decode into what msgspec does not know: pydantic's models, recognised by their methods."""
    validate = getattr(kind, "model_validate", None)
    if validate is not None:
        return validate(value)
    raise NotImplementedError(f"values of type {kind!r} cannot be decoded")


_encode = msgspec.msgpack.Encoder(enc_hook=encode_hook).encode


class Signature:
    """The signature of one task's function.

    Annotations are resolved at first use, so that they may name what is defined later in a module.

    Parameters:
        function: the task's function.
        task: the task's name, for errors.

    Example:
        >>> def charge(order: int, amount: float = 1.0) -> str: ...
        >>> signature = Signature(charge, "charge")
        >>> signature.decode(signature.encode((7,), {}))
        ((7,), {})
    """

    def __init__(self, function: Callable[..., Any], task: str) -> None:
        self.function, self.task = function, task
        self.signature = inspect.signature(function)
        self.parameters = tuple(self.signature.parameters.values())
        for name in self.signature.parameters:
            if name.startswith("__"):
                raise DefinitionError(f"parameter {name!r} of task {task} begins with __", hint="give it another name")
        self._plain = all(parameter.kind is _PLAIN for parameter in self.parameters)

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """The encoded arguments of a call.

        Raises:
            TypeError: the call does not fit the signature, as if the function had been called.
            NotEncodable: an argument has a type that cannot be encoded.
        """
        try:
            bound = self._struct(*args, **kwargs) if self._plain else self._struct(**self._bound(args, kwargs))
        except TypeError as error:
            raise self._explained(error, args, kwargs) from None
        try:
            return _encode(bound)
        except Exception as error:  # a type of the caller's own may raise anything
            raise self._not_encodable(bound, error) from error

    def decode(self, encoded: bytes | msgspec.Raw) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and keyword arguments of a call, in the annotated types.

        Raises:
            UndecodableArguments: they do not fit the signature.
        """
        try:
            bound = self._decode(encoded)
        except Exception as error:  # a validator of the user's own may raise anything
            raise UndecodableArguments(f"arguments of {self.task}: {_words(error)}", task=self.task) from error
        given = msgspec.structs.astuple(bound)
        if not self._plain:
            return self._called(given)
        for value in given:  # by identity: a value's own idea of being equal to UNSET is not asked
            if value is UNSET:
                return self._called(given)
        return given, {}

    def encode_result(self, value: Any, *, most: int) -> msgspec.Raw:
        """The encoded return value.

        Parameters:
            value: what the function returned.
            most: the most bytes it may take.

        Raises:
            NotEncodable: it has a type that cannot be encoded.
            PayloadTooLarge: it takes more than `most` bytes.
        """
        try:
            encoded = _encode(value)
        except Exception as error:  # as above
            raise NotEncodable(f"the return value of {self.task}: {_words(error)}", task=self.task) from error
        if len(encoded) > most:
            raise PayloadTooLarge(
                f"the return value of {self.task} takes {len(encoded):,} bytes, more than max_result, {most:,}",
                hint="store the data elsewhere and return its key, or raise max_result",
                size=len(encoded),
                limit=most,
            )
        return msgspec.Raw(encoded)

    def decode_result(self, encoded: bytes | msgspec.Raw) -> Any:
        """A return value, in the annotated type.

        Raises:
            UndecodableArguments: it does not fit the annotation.
        """
        try:
            return self._decode_result(encoded)
        except Exception as error:  # as above
            raise UndecodableArguments(f"the return value of {self.task}: {_words(error)}", task=self.task) from error

    def prepare(self) -> None:
        """Resolve every annotation now, so that a mistake shows before the first job does.

        Raises:
            UnresolvedAnnotation: an annotation names something unknown.
            DefinitionError: values of an annotated type cannot be decoded.
        """
        _ = self._struct, self._decode, self._decode_result

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self.function, include_extras=True)
        except Exception as error:
            raise UnresolvedAnnotation(
                f"an annotation of task {self.task} cannot be resolved: {error}",
                hint="import the name at run time, not only under TYPE_CHECKING",
                task=self.task,
            ) from error

    @cached_property
    def _struct(self) -> type[msgspec.Struct]:
        fields: list[Any] = []
        for parameter in self.parameters:
            kind = self._hints.get(parameter.name, Any)
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                fields.append((parameter.name, list[kind] | UnsetType, UNSET))  # type: ignore[valid-type]
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                fields.append((parameter.name, dict[str, kind] | UnsetType, UNSET))  # type: ignore[valid-type]
            elif parameter.default is inspect.Parameter.empty:
                fields.append((parameter.name, kind))
            else:
                fields.append((parameter.name, typing.Union[kind, UnsetType], UNSET))  # noqa: UP007 - kind may be a string or None
        required_last = any(len(late) == 2 for early, late in itertools.pairwise(fields) if len(early) == 3)
        return msgspec.defstruct(
            f"{self.task}_arguments",
            fields,
            kw_only=required_last,
            forbid_unknown_fields=True,
            gc=True,
        )

    @cached_property
    def _decode(self) -> Callable[[bytes | msgspec.Raw], Any]:
        return self._decoder(self._struct)

    @cached_property
    def _decode_result(self) -> Callable[[bytes | msgspec.Raw], Any]:
        return self._decoder(self._hints.get("return", Any))

    def _decoder(self, kind: Any) -> Callable[[bytes | msgspec.Raw], Any]:
        try:
            return msgspec.msgpack.Decoder(kind, dec_hook=decode_hook).decode
        except TypeError as error:
            raise DefinitionError(
                f"task {self.task} is annotated with a type that cannot be decoded: {error}",
                hint="annotate it with a type of docs/types.md, or with Any",
            ) from error

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """A call by parameters. `bind` of older Pythons does not know that `**` may take a positional-only name."""
        free = self._free.intersection(kwargs)
        named = {name: value for name, value in kwargs.items() if name not in free}
        arguments: dict[str, Any] = self.signature.bind(*args, **named).arguments
        if free:
            rest = arguments.get(self._names[-1], {})
            arguments[self._names[-1]] = {key: value for key, value in kwargs.items() if key in free or key in rest}
        return arguments

    @cached_property
    def _free(self) -> frozenset[str]:
        """Positional-only names, where `**` takes what has such a name."""
        if not self.parameters or self.parameters[-1].kind is not inspect.Parameter.VAR_KEYWORD:
            return frozenset()
        return frozenset(it.name for it in self.parameters if it.kind is inspect.Parameter.POSITIONAL_ONLY)

    def _called(self, given: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        in_order = True
        for parameter, value in zip(self.parameters, given, strict=True):
            if value is UNSET:
                in_order = in_order and parameter.kind is inspect.Parameter.VAR_POSITIONAL
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(value)
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                kwargs.update(value)
            elif parameter.kind in _POSITIONAL and in_order:
                args.append(value)
            else:
                kwargs[parameter.name] = value
        return tuple(args), kwargs

    def _explained(self, error: TypeError, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> TypeError:
        """Python's own words for a wrong call, where it has them."""
        try:
            self._bound(args, kwargs)
        except TypeError as words:
            return TypeError(f"{self.task}() {words}")
        return TypeError(f"{self.task}(): {error}")  # `bind` takes a positional-only name for one of **kwargs

    def _not_encodable(self, bound: msgspec.Struct, error: Exception) -> NotEncodable:
        for name in self._names:
            value = getattr(bound, name)
            if value is UNSET:
                continue
            try:
                _encode(value)
            except Exception as culprit:  # noqa: BLE001 - as above
                return NotEncodable(
                    f"argument {name!r} of {self.task}: {_words(culprit)}",
                    hint="pass built-in types, dataclasses, Structs, or pydantic models",
                    task=self.task,
                )
        return NotEncodable(f"arguments of {self.task}: {_words(error)}", task=self.task)


def _words(error: Exception) -> str:
    """What went wrong; foreign errors often say too little without their names."""
    text = text_of(error)
    known = (msgspec.MsgspecError, TypeError, ValueError, RecursionError, NotImplementedError)
    return text if isinstance(error, known) else f"{type(error).__qualname__}: {text}"
