"""One tree of errors, drawn where it is defined, with one name for each wherever it stands."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from heijunka import errors
from heijunka.errors import HeijunkaError, Steer

EXPORTED = [getattr(errors, name) for name in errors.__all__]
CLASSES = [each for each in EXPORTED if inspect.isclass(each)]
RAISED_WITH_FACTS = [each for each in CLASSES if issubclass(each, HeijunkaError)]


def drawn() -> dict[str, str]:
    """The tree of the docstring: the parent of each class, as its indentation says."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+)(?:  |$)", line)
        if found:
            depth = len(found[1]) // 4 + ("── " in line)
            path[depth:] = [found[2]]
            parents[found[2]] = path[depth - 1] if depth else ""
    return parents


def test_the_tree_that_is_drawn_is_the_one_that_is_there() -> None:
    tree = {each.__name__: each.__bases__[0].__name__ for each in CLASSES}

    assert {**tree, "HeijunkaError": "", "Steer": ""} == drawn()
    assert {"Exception"} == {HeijunkaError.__bases__[0].__name__, Steer.__bases__[0].__name__}


def test_every_error_is_known_by_the_name_that_users_import() -> None:
    assert {"heijunka.errors"} == {each.__module__ for each in EXPORTED}


@pytest.mark.parametrize("kind", RAISED_WITH_FACTS, ids=lambda kind: kind.__name__)
def test_an_error_goes_to_another_process_and_back(kind: type[HeijunkaError]) -> None:
    error = kind("what happened", hint="what to do", task="charge")

    there = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert kind is type(there)
    assert ("what happened", "what to do", {"task": "charge"}) == (str(there), there.hint, there.facts)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_says_what_it_means(kind: type) -> None:
    assert "__doc__" in vars(kind)
    assert re.fullmatch(r"[A-Z][^\n]*[^.\n]", errors.default_message(kind))
