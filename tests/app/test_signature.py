"""Calls arrive as they were made, in the annotated types, whatever the signature."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heijunka.app.signature import Signature
from heijunka.errors import DefinitionError, NotEncodable, PayloadTooLarge, UndecodableArguments, UnresolvedAnnotation


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Receipt:
    order: uuid.UUID
    amount: Decimal
    lines: list[tuple[str, int]]


class Parcel(msgspec.Struct, tag=True):
    grams: int


class Letter(msgspec.Struct, tag=True):
    pages: int


class Customer(pydantic.BaseModel):
    name: str


class Odd:
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


@dataclasses.dataclass
class Checked:
    cents: int

    def __post_init__(self) -> None:
        if self.cents < 0:
            raise LookupError("no such price")


class Silent(Exception):
    def __str__(self) -> str:
        raise SystemExit


@dataclasses.dataclass
class Unspeakable:
    cents: int

    def __post_init__(self) -> None:
        raise Silent


def of(function: Callable[..., Any]) -> Signature:
    return Signature(function, "task")


def received(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    signature = of(function)
    return signature.decode(signature.encode(args, kwargs))


def heard(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the function's body is given after a journey."""
    there_args, there_kwargs = received(function, *args, **kwargs)
    return function(*there_args, **there_kwargs)


# -- binding ----------------------------------------------------------------------------------------


def plain(a: Any, b: Any = 2, c: Any = 3) -> Any:
    return a, b, c


def positional(a: Any, b: Any = 2, /, c: Any = 3) -> Any:
    return a, b, c


def keywords(a: Any = 1, *, b: Any, c: Any = 3) -> Any:
    return a, b, c


def everything(a: Any, b: Any = 2, /, c: Any = 3, *rest: Any, d: Any, e: Any = 5, **more: Any) -> Any:
    return a, b, c, rest, d, e, more


values = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5)
calls = st.tuples(
    st.lists(values, max_size=6), st.dictionaries(st.sampled_from(("a", "b", "c", "d", "e", "f", "self")), values)
)


@pytest.mark.parametrize("function", [plain, positional, keywords, everything])
@given(call=calls)
@example(call=([None], {"a": None, "b": None, "d": None}))
@example(call=([1], {"z": 1, "b": 2, "d": 3, "a": 4}))
def test_a_call_means_the_same_there_as_here(
    function: Callable[..., Any], call: tuple[list[Any], dict[str, Any]]
) -> None:
    args, kwargs = call
    try:
        here = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError, match=r"^task\(\)"):
            of(function).encode(tuple(args), kwargs)
    else:
        assert here == heard(function, *args, **kwargs)


def test_defaults_are_the_workers() -> None:
    def enqueued(a: int, b: int = 1) -> Any: ...
    def deployed(a: int, b: int = 2, c: int = 3) -> Any:
        return a, b, c

    args, kwargs = of(deployed).decode(of(enqueued).encode((7,), {}))

    assert (7, 2, 3) == deployed(*args, **kwargs)


def test_a_value_that_claims_to_equal_everything_is_passed_on() -> None:
    class Anything:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]  # as __eq__ without __hash__ has it

    assert ((1, 2), {}) == received(plain, 1, 2)
    assert not received(plain, 1)[1]
    with pytest.raises(NotEncodable, match="argument 'a' of task"):
        of(plain).encode((Anything(),), {})


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3, 4), {}, "too many positional arguments"),
        ((1,), {"a": 2}, "multiple values for argument 'a'"),
        ((1,), {"z": 2}, "got an unexpected keyword argument 'z'"),
    ],
)
def test_a_wrong_call_is_told_in_pythons_words(args: tuple[Any, ...], kwargs: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        of(plain).encode(args, kwargs)


# -- types ------------------------------------------------------------------------------------------


def sample(  # noqa: PLR0917 - one of each kind
    receipt: Receipt,
    what: Parcel | Letter,
    when: dt.datetime,
    every: dt.timedelta,
    day: dt.date,
    colour: Colour,
    priority: Literal["high", "low"],
    who: Customer | None,
    numbers: set[int],
    pair: tuple[bytes, ...],
    ratio: Annotated[float, msgspec.Meta(ge=0)] = 0.5,
) -> dict[str, Any]:
    return dict(locals())


def test_values_arrive_in_the_annotated_types() -> None:
    now = dt.datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=dt.UTC)
    given_: tuple[Any, ...] = (
        Receipt(uuid.uuid4(), Decimal("0.10"), [("tea", 2)]),
        Letter(3),
        now,
        dt.timedelta(days=1, microseconds=1),
        now.date(),
        Colour.RED,
        "high",
        Customer(name="Ada"),
        {1, 2},
        (b"\x00\xff", b""),
    )

    assert sample(*given_) == heard(sample, *given_)


@pytest.mark.parametrize(
    ("function", "sent", "words"),
    [
        pytest.param(plain, {}, "missing required field `a`", id="one was added"),
        pytest.param(plain, {"a": 1, "gone": 2}, "unknown field `gone`", id="one was removed"),
        pytest.param(lambda a: a, [1], r"Expected `object`, got `array`", id="no map"),
    ],
)
def test_arguments_that_no_longer_fit_are_told(function: Callable[..., Any], sent: Any, words: str) -> None:
    with pytest.raises(UndecodableArguments, match=f"^arguments of task: .*{words}"):
        of(function).decode(msgspec.msgpack.encode(sent))


def retyped(a: int) -> None: ...
def modelled(a: Customer) -> None: ...
def checked(a: Checked) -> None: ...
def unspeakable(a: Unspeakable) -> None: ...
def bounded(a: Annotated[int, msgspec.Meta(le=5)]) -> None: ...


@pytest.mark.parametrize(
    ("function", "value", "words"),
    [
        (retyped, "one", "Expected `int`, got `str`"),
        (bounded, 6, "`int` <= 5"),
        (modelled, {"age": 3}, "name"),
        (checked, {"cents": -1}, "LookupError: no such price"),
        (unspeakable, {"cents": 1}, "Silent: <.*Silent whose text cannot be read>"),
    ],
)
def test_whatever_a_type_raises_when_it_is_decoded_is_told(
    function: Callable[..., Any], value: Any, words: str
) -> None:
    with pytest.raises(UndecodableArguments, match=words):
        of(function).decode(msgspec.msgpack.encode({"a": value}))


def test_arguments_nested_too_deeply_are_told() -> None:
    with pytest.raises(UndecodableArguments, match="recursion"):
        of(plain).decode(b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0")


# -- what cannot travel -----------------------------------------------------------------------------


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(object(), "values of type object cannot be encoded", id="a plain object"),
        pytest.param(2**70, "can't serialize ints", id="an integer beyond 64 bits"),
        pytest.param("\udcff", "surrogates not allowed", id="half a surrogate pair"),
        pytest.param(circle(), "recursion", id="a circle"),
        pytest.param(Odd(), "ZeroDivisionError: model_dump", id="an object that raises when looked at"),
    ],
)
def test_what_cannot_be_encoded_is_named(value: Any, words: str) -> None:
    with pytest.raises(NotEncodable, match=f"argument 'c' of task: .*{words}"):
        of(plain).encode((1,), {"c": value})
    with pytest.raises(NotEncodable, match=f"the return value of task: .*{words}"):
        of(plain).encode_result(value, most=1_000)


def test_a_result_may_be_as_large_as_max_result_and_no_larger() -> None:
    assert b"\xa3abc" == bytes(of(plain).encode_result("abc", most=4))

    with pytest.raises(PayloadTooLarge, match="takes 5 bytes, more than max_result, 4") as caught:
        of(plain).encode_result("abcd", most=4)

    assert (5, 4) == (caught.value.size, caught.value.limit)


def test_a_result_that_does_not_fit_the_annotation_is_told() -> None:
    def counted() -> int:
        return 3

    assert 3 == of(counted).decode_result(b"\x03")
    with pytest.raises(UndecodableArguments, match="the return value of task: Expected `int`"):
        of(counted).decode_result(b"\xa1x")


# -- definitions ------------------------------------------------------------------------------------


def test_an_annotation_may_name_what_is_defined_later() -> None:
    names: dict[str, Any] = {}
    exec("def task(a: 'Later') -> 'Later': ...", names)  # noqa: S102 - a module that is not finished yet
    signature = of(names["task"])
    names["Later"] = Parcel

    assert ((Parcel(3),), {}) == signature.decode(signature.encode((Parcel(3),), {}))


def test_an_annotation_that_means_nothing_is_told() -> None:
    names: dict[str, Any] = {}
    exec("def task(a: 'Never') -> None: ...", names)  # noqa: S102 - as above

    with pytest.raises(UnresolvedAnnotation, match="Never"):
        of(names["task"]).prepare()


def test_a_type_that_cannot_be_decoded_is_told_before_the_first_job() -> None:
    def torn(a: Parcel | Checked | Receipt) -> None: ...

    with pytest.raises(DefinitionError, match="cannot be decoded"):
        of(torn).prepare()


def test_a_parameter_whose_name_python_would_mangle_is_refused_where_it_is_written() -> None:
    def mangled(__a: int) -> None: ...  # noqa: PYI063 - the old way to write it

    with pytest.raises(DefinitionError, match="'__a' of task task begins with __"):
        of(mangled)
