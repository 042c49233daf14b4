"""Limits are changed by whoever knows them, declared without going back and forth, and say where they come from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from heijunka import Heijunka
from heijunka.control.limits import Bounds, Declaration, given_of
from heijunka.errors import Draining, InvalidOption, InvalidSetting, Overloaded
from heijunka.policies.admission import Given, InJobs, Limits, Span, completed, in_jobs, spelled

NOW = 1_700_000_000_000
MINUTE = 60_000


@pytest.fixture
def app(redis_url: str, namespace: str) -> Iterator[Heijunka]:
    with Heijunka("limited", redis_url=redis_url, namespace=namespace) as app:
        yield app


def declared(**limits: float) -> Declaration:
    given = given_of(**limits)  # type: ignore[arg-type]  # as keywords come
    return Declaration(given, dict.fromkeys(("soft", "hard", "reserved"), "code"))


def numbers(bounds: Bounds) -> tuple[int | None, int | None, float]:
    return bounds.in_jobs.soft, bounds.in_jobs.hard, bounds.limits.reserved


def test_a_domain_that_is_merely_used_is_unbounded(app: Heijunka) -> None:
    bounds = app.control.limits.show("payment")

    assert (Limits(), None, False) == (bounds.limits, bounds.declared, bounds.limits.bounded)


def test_a_declared_domain_is_bounded_from_its_first_job_on(app: Heijunka) -> None:
    @app.task(domain="payment")
    def charge() -> None: ...

    app.domain("payment", hard_limit=3, reserved=0.0)
    for _ in range(3):
        charge.enqueue()

    with pytest.raises(Overloaded):
        charge.enqueue()
    bounds = app.control.limits.show("payment")
    assert (2, 3, 0.0) == numbers(bounds)
    assert {"soft": "default", "hard": "app.domain", "reserved": "app.domain"} == bounds.origins
    assert (3, 1.5, 1.0) == (bounds.load, bounds.pressure, bounds.load_factor)
    assert {"admitted_n": 3, "soft_n": 1, "refused_hard_n": 1} == bounds.counters


def test_what_is_shown_counts_leases_too(app: Heijunka) -> None:
    app.domain("payment", hard_limit=1, reserved=0.0)
    with app.admit("payment"):
        assert 1 == app.control.limits.show("payment").load
    with app.admit("payment", priority="high"), pytest.raises(Overloaded), app.admit("payment"):
        pytest.fail("it was let in")

    bounds = app.control.limits.show("payment")
    assert 0 == bounds.load
    assert {"granted_n": 1, "granted_h": 1, "released_n": 1, "released_h": 1, "refused_hard_n": 1} == bounds.counters


def test_a_live_change_stands_until_it_is_reset(app: Heijunka) -> None:
    limits = app.control.limits
    limits.declare("payment", declared(hard_limit=1_200), now_ms=NOW)

    assert (1_000, 1_500, 0.2) == numbers(app.control.set_hard_limit("payment", 1_500))
    assert limits.declare("payment", declared(hard_limit=1_200), now_ms=NOW + MINUTE)
    assert (1_000, 1_500, 0.2) == numbers(limits.show("payment"))
    assert "live" == limits.show("payment").origins["hard"]

    assert (1_000, 1_200, 0.2) == numbers(limits.reset("payment"))
    assert "code" == limits.show("payment").origins["hard"]


def test_a_live_change_stands_until_the_declaration_changes(app: Heijunka) -> None:
    limits = app.control.limits
    limits.declare("payment", declared(hard_limit=1_200), now_ms=NOW)
    limits.set("payment", hard_limit=5_000)

    limits.declare("payment", declared(hard_limit=2_000), now_ms=NOW)

    assert (1_000, 2_000, 0.2) == numbers(limits.show("payment"))


def test_two_declarations_do_not_go_back_and_forth(app: Heijunka, caplog: pytest.LogCaptureFixture) -> None:
    """During a deploy processes of the old version still start; ten minutes later it is a new declaration again."""
    limits, old, new = app.control.limits, declared(hard_limit=100), declared(hard_limit=200)

    assert limits.declare("payment", old, now_ms=NOW)
    assert limits.declare("payment", new, now_ms=NOW + MINUTE)
    assert not limits.declare("payment", old, now_ms=NOW + 2 * MINUTE)
    assert limits.declare("payment", new, now_ms=NOW + 2 * MINUTE)
    assert 200 == limits.show("payment").limits.hard
    assert "were replaced by others" in caplog.text

    assert limits.declare("payment", old, now_ms=NOW + 12 * MINUTE)
    assert 100 == limits.show("payment").limits.hard


def test_what_was_never_declared_is_reset_to_no_limits(app: Heijunka) -> None:
    limits = app.control.limits
    limits.set("payment", hard_limit=600)
    assert (500, 600, 0.2) == numbers(limits.show("payment"))

    assert not limits.reset("payment").limits.bounded


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hard_limit": 0}, "not a number of jobs"),
        ({"hard_limit": "many"}, "not a number of jobs"),
        ({"soft_limit": 1_201}, "above hard_limit 1,200"),
        ({"reserved": 1.0}, "not a share"),
        ({"reserved": -0.1}, "not a share"),
        ({"hard": 5}, "has no 'hard'"),
    ],
)
def test_a_bad_change_leaves_the_limits_as_they_were(app: Heijunka, change: dict[str, object], words: str) -> None:
    limits = app.control.limits
    limits.set("payment", soft_limit=1_000, hard_limit=1_200)
    before = limits.show("payment")

    with pytest.raises(InvalidOption, match=words):
        limits.set("payment", **change)  # type: ignore[arg-type]  # the mistake under test

    assert before == limits.show("payment")


def test_nothing_can_be_reserved_of_no_limit(app: Heijunka) -> None:
    with pytest.raises(InvalidOption, match="no hard limit to reserve"):
        app.control.limits.set("payment", reserved=0.5)


def test_operators_at_the_same_time_lose_no_change(app: Heijunka) -> None:
    limits = app.control.limits
    limits.set("payment", soft_limit=10, hard_limit=1_000)
    together = threading.Barrier(2)

    def change(**limit: int) -> None:
        together.wait()
        limits.set("payment", **limit)

    threads = [threading.Thread(target=change, kwargs=each) for each in ({"soft_limit": 20}, {"hard_limit": 2_000})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (20, 2_000, 0.2) == numbers(limits.show("payment"))


def test_a_drained_domain_takes_nothing_until_it_is_undrained(app: Heijunka) -> None:
    @app.task(domain="payment")
    def charge() -> None: ...

    charge.enqueue()
    app.control.limits.drain("payment")
    with pytest.raises(Draining):
        charge.enqueue()
    assert app.control.limits.show("payment").draining

    app.control.limits.drain("payment", draining=False)
    charge.enqueue()
    assert (False, Limits()) == (
        app.control.limits.show("payment").draining,
        app.control.limits.show("payment").limits,
    )


def test_settings_declare_domains_and_code_overrides_them(
    app: Heijunka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "heijunka.toml").write_text("[domains.payment]\nhard_limit = 50\nreserved = 0.5\n[domains.mail]\n")
    monkeypatch.chdir(tmp_path)
    app.domain("payment", hard_limit=60)

    declarations = app.declarations

    assert Given(hard=60, reserved=0.5) == declarations["payment"].given
    assert {"hard": "app.domain", "reserved": "heijunka.toml:1"} == declarations["payment"].origins
    assert Limits(1_000, 1_200, 0.2) == completed(declarations["mail"].given)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[domains.payment]\nhard = 5\n", r"payment\.hard, which is no limit: did you mean 'hard_limit'"),
        ("[domains.payment]\nsoft_limit = 5\nhard_limit = 4\n", "soft_limit 5 is above hard_limit 4"),
        ("[domains.Payment]\n", "names a domain 'Payment'"),
        ("domains = 7\n", "is no table of domains"),
    ],
)
def test_bad_tables_of_domains_are_refused(
    app: Heijunka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    (tmp_path / "heijunka.toml").write_text(text)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidSetting, match=words):
        _ = app.settings


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        (Given(), Limits(1_000, 1_200, 0.2)),
        (Given(hard=600), Limits(500, 600, 0.2)),
        (Given(hard=1), Limits(1, 1, 0.2)),
        (Given(soft=5_000), Limits(5_000, 6_000, 0.2)),
        (Given(hard=None), Limits(None, None, 0.2)),
        (Given(soft=10, hard=None), Limits(10, None, 0.2)),
        (Given(soft=None), Limits(None, 1_200, 0.2)),
    ],
)
def test_what_is_left_out_fits_what_is_given(given: Given, limits: Limits) -> None:
    assert limits == completed(given)


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        (Given(hard=Span(30_000)), Limits(Span(25_000), Span(30_000), 0.2)),
        (Given(soft=Span(10_000)), Limits(Span(10_000), Span(12_000), 0.2)),
        (Given(soft=500, hard=Span(2_500)), Limits(500, Span(2_500), 0.2)),
    ],
)
def test_a_limit_may_be_time_and_the_other_one_fits_it(given: Given, limits: Limits) -> None:
    assert limits == completed(given)


def test_time_is_worth_what_ends_in_it() -> None:
    limits = Limits(Span(25_000), Span(30_000), 0.2)

    assert InJobs(1_000, 1_200, 960) == in_jobs(limits, None)
    assert InJobs(100, 120, 96) == in_jobs(limits, 4.0)
    assert InJobs(1, 1, 1) == in_jobs(limits, 0.0)


def test_a_limit_in_time_is_declared_changed_live_and_shown(app: Heijunka) -> None:
    app.domain("payment", hard_limit="30s")
    app.declare()
    declared_ = app.control.limits.show("payment")
    live = app.control.limits.set("payment", hard_limit=timedelta(minutes=1))

    assert Limits(Span(25_000), Span(30_000), 0.2) == declared_.limits
    assert (InJobs(1_000, 1_200, 960), None) == (declared_.in_jobs, declared_.throughput)
    assert (Span(60_000), "live") == (live.limits.hard, live.origins["hard"])
    assert Span(30_000) == app.control.limits.reset("payment").limits.hard


@pytest.mark.parametrize("limit", ["30 parsecs", "-5s", "8d", "10ms", "1500"])
def test_what_is_no_time_and_no_number_is_refused(app: Heijunka, limit: str) -> None:
    with pytest.raises(InvalidOption, match="hard_limit"):
        app.domain("payment", hard_limit=limit)
    with pytest.raises(InvalidOption, match="hard_limit"):
        app.control.limits.set("payment", hard_limit=limit)

    assert not app.control.limits.show("payment").limits.bounded


@pytest.mark.parametrize(
    ("hard", "reserved", "share"), [(1_200, 0.2, 960), (100, 0.1, 90), (1, 0.2, 1), (3, 0.9, 1), (10, 0.0, 10)]
)
def test_the_share_of_normal_and_low_is_rounded_down_and_never_nothing(hard: int, reserved: float, share: int) -> None:
    assert share == Limits(None, hard, reserved).share
    assert f"{hard},{share},-" == spelled(Limits(None, hard, reserved))
