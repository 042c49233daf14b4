"""What is wrong is told where it is written."""

from __future__ import annotations

import types
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from heijunka import Heijunka
from heijunka.app import load_app
from heijunka.app.options import Call, call_options
from heijunka.errors import (
    AppNotFound,
    DefinitionError,
    DuplicateTask,
    InvalidName,
    InvalidOption,
    UnknownSetting,
    UnknownTask,
    UnresolvedAnnotation,
)
from heijunka.wire import Options


@pytest.fixture
def app() -> Heijunka:
    return Heijunka("shop", redis_url="unix:///nowhere")


def test_a_name_belongs_to_one_task(app: Heijunka) -> None:
    @app.task
    def charge() -> None: ...

    with pytest.raises(DuplicateTask, match=r"'charge' is defined twice: .*test_definitions") as caught:

        @app.task(name="charge")
        def other() -> None: ...

    assert "give one of them another name=" == caught.value.hint
    assert charge is app.named("charge")


def test_the_same_function_defined_again_takes_its_own_place(app: Heijunka) -> None:
    def define() -> object:
        @app.task
        def charge() -> None: ...

        return charge

    define()
    again = define()

    assert again is app.named("charge")


@pytest.mark.parametrize("name", ["", "1st", "a b", "ä", "x" * 201, "a-b"])
def test_task_names_are_identifiers(app: Heijunka, name: str) -> None:
    with pytest.raises(InvalidName):

        @app.task(name=name)
        def charge() -> None: ...


@pytest.mark.parametrize("domain", ["Payment", "a b", "{x}", "", "x" * 65, "a*"])
def test_domains_have_plain_names(app: Heijunka, domain: str) -> None:
    with pytest.raises(InvalidName):
        app.task(domain=domain)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("priority", "urgent"),
        ("timeout", -1),
        ("timeout", 0),
        ("timeout", "soon"),
        ("timeout", True),
        ("attempts", 0),
        ("attempts", 1.5),
        ("attempts", 1_001),
        ("retry_base", -1),
        ("keep_result", "-5m"),
        ("keep_result", float("nan")),
        ("no_retry_on", "ValueError"),
        ("no_retry_on", [ValueError, int]),
    ],
)
def test_options_out_of_range_are_refused(app: Heijunka, option: str, value: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        app.task(**{option: value})
    assert option == caught.value.option


def test_an_unknown_option_gets_the_nearest_name(app: Heijunka) -> None:
    with pytest.raises(InvalidOption, match="no option 'prioritty'") as caught:
        app.task(prioritty="high")  # type: ignore[call-overload]  # what an untyped caller may write
    assert "priority" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"delay": -1}, "delay"),
        ({"delay": "5 parsecs"}, "delay"),
        ({"at": datetime(2030, 1, 1)}, "at"),  # noqa: DTZ001 - the mistake under test
        ({"at": "2030-01-01"}, "at"),
        ({"delay": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)}, "delay"),
        ({"deadline": datetime(2030, 1, 1)}, "deadline"),  # noqa: DTZ001 - likewise
        ({"deadline": -5}, "deadline"),
        ({"on_expire": "forget"}, "on_expire"),
        ({"priority": "urgent"}, "priority"),
        ({"attempts": 0}, "attempts"),
        ({"dleay": "5m"}, "dleay"),
        ({"delay": "5m", "deadline": "1s"}, "deadline"),
    ],
)
def test_a_call_that_asks_for_nonsense_is_refused(given: dict[str, Any], option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        call_options(**given)
    assert option == caught.value.option


def test_a_call_says_what_differs() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)

    assert Call() == call_options()
    assert Call(priority="low", delay_ms=300_000, options=Options(priority="low")) == call_options(
        priority="low", delay="5m"
    )
    assert Call(at_ms=1_893_456_000_000, deadline_in_ms=30_000, inherits=False) == call_options(
        at=at, deadline=timedelta(seconds=30)
    )
    assert Call(options=Options(keep_result_ms=0, timeout_ms=1_500)) == call_options(keep_result=None, timeout=1.5)


def test_only_functions_become_tasks(app: Heijunka) -> None:
    with pytest.raises(DefinitionError, match="is a generator"):

        @app.task
        def rows() -> Any:
            yield 1

    with pytest.raises(DefinitionError, match="is not a function"):
        app.task(len)


def test_an_annotation_that_means_nothing_is_told(app: Heijunka) -> None:
    @app.task
    def charge(order: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037 - the mistake under test

    with pytest.raises(UnresolvedAnnotation, match="Missing"):
        charge.signature.prepare()


def test_an_unknown_task_gets_the_nearest_name(app: Heijunka) -> None:
    @app.task
    def charge() -> None: ...

    with pytest.raises(UnknownTask) as caught:
        app.named("chrage")
    assert "charge" in str(caught.value.hint)


def test_a_task_keeps_the_face_of_its_function(app: Heijunka) -> None:
    @app.task(domain="payment")
    def charge(order: str) -> str:
        """Charge an order."""
        return order

    assert ("charge", "Charge an order.", "A1") == (charge.name, charge.__doc__, charge("A1"))
    assert isinstance(charge.__wrapped__, types.FunctionType)  # type: ignore[attr-defined]
    assert ("payment",) == app.domains


def test_a_setting_that_does_not_exist_is_refused_where_it_is_written() -> None:
    with pytest.raises(UnknownSetting) as caught:
        Heijunka("shop", redis_ulr="redis://localhost")
    assert "redis_url" in str(caught.value.hint)


def test_exceptions_that_are_final_may_come_in_any_collection(app: Heijunka) -> None:
    given: Any = [ValueError, KeyError]

    @app.task(no_retry_on=given)
    def charge() -> None: ...

    assert (ValueError, KeyError) == charge.task_options.no_retry_on


@pytest.mark.parametrize("mistake", ["raise ValueError('mine')", "1 + 'a'", "import json, nowhere_at_all"])
def test_what_a_module_raises_itself_is_its_own(mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"mistaken_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(f"{mistake}\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises((ValueError, TypeError, ModuleNotFoundError), match=r"mine|unsupported|nowhere_at_all"):
        load_app(f"{name}:app")


@pytest.mark.parametrize(
    "path", ["", ":app", "..shop", "shop..tasks", "no/such/file.py", "sh op", "nowhere_at_all:app"]
)
def test_a_path_that_leads_nowhere_is_told(path: str) -> None:
    with pytest.raises(AppNotFound):
        load_app(path)
