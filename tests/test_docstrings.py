"""What users import explains itself: parameters, what comes back, what is raised, and an example that is no typo.

Walked is what `heijunka` and `heijunka.app` export, with the public methods of its classes. Examples that need no
Redis are run; the others are compiled.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints, is_typeddict

import pytest

import heijunka
import heijunka.app
from heijunka import Heijunka

SECTION = re.compile(
    r"^(Parameters|Attributes|Keys|Returns|Yields|Raises|Example):\n((?:[ ]{4}.*\n|\n)*)", re.MULTILINE
)
ENTRY = re.compile(r"^(?:- )?(\w+(?:, \w+)*): ")

MACHINERY = {
    "Heijunka.asend",
    "Heijunka.asend_many",
    "Heijunka.aserver_ms",
    "Heijunka.override",
    "Heijunka.register",
    "Heijunka.send",
    "Heijunka.send_many",
    "Heijunka.server_ms",
}
"""Public for other modules of the library; users call what calls them, and an example would mislead."""

CALLS = {"AsyncTask.__call__", "Task.__call__"}
"""Special methods that are documented; the example of their class calls them."""


@dataclass(frozen=True)
class Documented:
    """Something that is exported, or a method of it.

    Attributes:
        name: as users write it.
        what: the function, class or property itself.
    """

    name: str
    what: Any

    @property
    def doc(self) -> str:
        return f"{inspect.cleandoc(self.what.__doc__ or '')}\n"

    def entries(self, *sections: str) -> set[str]:
        """What is named at the beginning of the lines of some sections."""
        text = "\n".join(body for title, body in SECTION.findall(self.doc) if title in sections)
        matches = (ENTRY.match(line.strip()) for line in text.splitlines())
        return {name for match in matches if match for name in match[1].split(", ")}

    def section(self, title: str) -> str:
        return "".join(body for found, body in SECTION.findall(self.doc) if found == title)

    @property
    def function(self) -> Callable[..., Any]:
        """What is called: the function itself, or a class's `__init__`."""
        function: Callable[..., Any] = self.what.__init__ if inspect.isclass(self.what) else self.what
        return function


def exported() -> dict[str, Any]:
    """What users import, by name; versions and instances explain themselves by their type."""
    found = {name: getattr(heijunka, name) for name in heijunka.__all__}
    found |= {name: getattr(heijunka.app, name) for name in heijunka.app.__all__}
    return {name: one for name, one in found.items() if inspect.isclass(one) or inspect.isroutine(one)}


def methods_of(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class that are ours, inherited ones too."""
    for name, static in inspect.getmembers_static(cls):
        home = next(base for base in cls.__mro__ if name in base.__dict__)
        if not home.__module__.startswith("heijunka"):
            continue
        if (not name.startswith("_") and not inspect.isclass(static)) or f"{cls.__name__}.{name}" in CALLS:
            yield name, static


def documented() -> list[Documented]:
    found = []
    for name, one in exported().items():
        found.append(Documented(name, one))
        if inspect.isclass(one):
            for method, static in methods_of(one):
                if inspect.isfunction(static) or isinstance(static, (property, cached_property)):
                    found.append(Documented(f"{name}.{method}", static))
    return found


EVERYTHING = documented()
FUNCTIONS = [one for one in EVERYTHING if inspect.isfunction(one.what) or inspect.ismethod(one.what)]
CLASSES = [one for one in EVERYTHING if inspect.isclass(one.what)]


def named(one: Documented) -> str:
    return one.name


def parameters(one: Documented) -> list[str]:
    """What a caller may give, with the keywords of a typed dictionary one by one."""
    found = []
    hints = get_type_hints(one.function, include_extras=True, localns=vars(heijunka.app)) if wants(one) else {}
    for name, parameter in inspect.signature(one.what).parameters.items():
        if name in ("self", "cls") or name.startswith("_"):
            continue
        unpacked = getattr(hints.get(name), "__args__", (None,))[0]
        if parameter.kind is parameter.VAR_KEYWORD and is_typeddict(unpacked):
            found += list(unpacked.__annotations__)
        found.append(name)
    return found


def wants(one: Documented) -> bool:
    """Whether a function takes the keywords of a typed dictionary, which is worth resolving its annotations."""
    return any("Unpack" in str(kind) for kind in getattr(one.function, "__annotations__", {}).values())


def raised_by(function: Callable[..., Any]) -> set[str]:
    """The exceptions that a function's own body raises by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise))
    return {call.func.id for call in calls if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


def test_the_walk_finds_what_it_is_about() -> None:
    """A walk that found nothing would pass every test below."""
    names = {one.name for one in EVERYTHING}

    assert set() == {"Heijunka", "Heijunka.task", "Task.enqueue", "Task.__call__", "Job.aresult", "load_app"} - names
    assert {"Heijunka.around_attempt", "Job.status", "CurrentJob.attempt", "Snooze", "current_job"} <= names
    assert MACHINERY | CALLS <= names


@pytest.mark.parametrize("one", EVERYTHING, ids=named)
def test_it_has_words(one: Documented) -> None:
    assert one.doc.splitlines()[0].endswith(".")


@pytest.mark.parametrize("one", [*FUNCTIONS, *CLASSES], ids=named)
def test_it_names_every_parameter_and_no_other(one: Documented) -> None:
    if inspect.isclass(one.what) and "__init__" not in vars(one.what) and issubclass(one.what, BaseException):
        return  # told by the class that has the `__init__`, which is exported too
    told = one.entries("Parameters") or (one.entries("Attributes") if inspect.isclass(one.what) else set())

    assert set(parameters(one)) == told


@pytest.mark.parametrize("one", FUNCTIONS, ids=named)
def test_it_says_what_comes_back(one: Documented) -> None:
    comes_back = inspect.signature(one.what).return_annotation not in ("None", None)

    assert comes_back == bool(one.section("Returns").strip())


@pytest.mark.parametrize("one", [*FUNCTIONS, *CLASSES], ids=named)
def test_it_names_what_it_raises(one: Documented) -> None:
    written = inspect.isfunction(one.function) or inspect.ismethod(one.function)  # and not made by msgspec or Python

    assert set() == (raised_by(one.function) if written else set()) - one.entries("Raises")


@pytest.mark.parametrize("one", [one for one in [*FUNCTIONS, *CLASSES] if one.name not in MACHINERY | CALLS], ids=named)
def test_it_has_an_example_that_compiles(one: Documented) -> None:
    examples = doctest.DocTestParser().get_examples(one.doc)

    assert examples
    for example in examples:
        ast.parse(example.source)


@pytest.mark.parametrize("one", [one for one in EVERYTHING if ">>>" in one.doc], ids=named)
def test_its_example_does_what_it_says(one: Documented) -> None:
    app = Heijunka("shop", namespace="shop", redis_url="unix:///nowhere")

    @app.task(name="charge", domain="payment")
    def charge(order: str, amount: int) -> str:
        return f"{order}: {amount}"

    names = {**exported(), "app": app, "task": app.task, "order": "A1", "amount": 99}
    names |= {"asyncio": asyncio, "contextlib": contextlib, "time": time}
    if "def charge(" not in one.doc:
        names["charge"] = charge
    else:
        del app._tasks["charge"]
    test = doctest.DocTestParser().get_doctest(one.doc, names, one.name, None, 0)
    said = list[str]()

    doctest.DocTestRunner(verbose=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(test, out=said.append)

    assert [] == said
