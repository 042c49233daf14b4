"""The parts of the demo by themselves: the plan, the web server, the bookkeeping, and how all of it looks."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from rich.console import Console

from heijunka.commands import Depths
from heijunka_cli.demo import plan as planning
from heijunka_cli.demo.app import LOOPBACK, Notice, Parcel, Report, Seal, Weight
from heijunka_cli.demo.books import Check, Ended, Summary, Tally, audit
from heijunka_cli.demo.plan import DOMAINS, Order, Plan, Source, planned, standard_library
from heijunka_cli.demo.summary import print_summary
from heijunka_cli.demo.view import LinesView, LiveView, view_on
from heijunka_cli.demo.watch import Moment
from heijunka_cli.demo.web import REFUSALS, Web

SOURCE = Source("a.py", 1_000, "5ea1")
PLAN = Plan(
    (Order("pack", None), Order("seal", SOURCE), Order("pack", SOURCE)),
    (Order("weigh", SOURCE), Order("notify", SOURCE, customer="busy-1"), Order("notify", SOURCE, customer="c-2")),
)
LEDGER = {"4": 1_000, "5": 1_000}


def reports() -> list[Ended]:
    """Every job of the plan has ended: one is dead, one was retried twice."""
    told: list[Report | None] = [
        None, Seal(1_000, "5ea1", 1), Parcel(1_000, 300, 1), Weight(1_000, 77, 1), Notice(1_000, 3), Notice(1_000, 1),
    ]  # fmt: skip
    orders = (*PLAN.flow, *PLAN.burst)
    ends = [Ended(str(n), order, report) for n, (order, report) in enumerate(zip(orders, told, strict=True))]
    return [msgspec.structs.replace(ends[0], failed_at=1), *ends[1:]]


def depths(**changes: Any) -> Depths:
    """An empty domain, but for the changes."""
    counters = changes.pop("counters", {})
    empty = Depths(ready={"high": 0, "normal": 0, "low": 0}, running=0, suspects=0, scheduled=0, dead=0, workers=2,
                   load=0, counters=counters)  # fmt: skip
    return msgspec.structs.replace(empty, **changes)


def held() -> dict[str, Depths]:
    """What Redis says when all went well."""
    return {
        "payment": depths(counters={"enqueued": 1, "done": 1}),
        "delivery": depths(counters={"enqueued": 3, "done": 2, "dead": 1}, dead=1),
        "notification": depths(counters={"enqueued": 2, "done": 2, "retry": 2}),
    }


def with_counted(domain: str, **counters: int) -> dict[str, Depths]:
    """What Redis says when it counted something else in one domain."""
    all_held = held()
    changed = all_held[domain].counters | counters
    return all_held | {domain: msgspec.structs.replace(all_held[domain], counters=changed)}


def with_end(number: int, **changes: Any) -> list[Ended]:
    """The reports, one of them different."""
    ends = reports()
    ends[number] = msgspec.structs.replace(ends[number], **changes)
    return ends


def off(checks: Iterable[Check]) -> list[str]:
    return [f"{check.domain} {check.what}".strip() for check in checks if not check.is_right]


# -- the books --------------------------------------------------------------------------------------


def test_books_that_agree_have_nothing_off() -> None:
    checks = audit(PLAN, reports(), held(), LEDGER)

    assert [] == off(checks)
    assert 3 * 6 + 6 == len(checks)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"held": with_counted("payment", enqueued=2)}, ["payment jobs enqueued"]),
        ({"held": with_counted("delivery", done=1)}, ["delivery jobs ended, well or dead", "delivery jobs done"]),
        ({"held": held() | {"payment": depths(counters={"enqueued": 1, "done": 1}, scheduled=1)}},
         ["payment jobs left in queues"]),
        ({"held": held() | {"delivery": depths(counters=held()["delivery"].counters)}}, ["delivery jobs dead"]),
        ({"held": with_counted("notification", retry=1)}, ["notification retries"]),
        ({"ends": with_end(1, report=None)}, ["payment jobs done"]),
        ({"ends": with_end(1, report=Seal(999, "5ea1", 1))}, ["bytes sealed"]),
        ({"ends": with_end(1, report=Seal(1_000, "bad", 1))}, ["right SHA-256 sums"]),
        ({"ends": with_end(2, report=Parcel(999, 300, 1))}, ["bytes packed"]),
        ({"ends": with_end(3, report=Weight(999, 77, 1))}, ["bytes weighed"]),
        ({"ends": with_end(5, report=Notice(999, 1))}, ["bytes posted", "bytes the web server got"]),
        ({"ends": with_end(5, report=Notice(1_000, 2))}, ["notification retries"]),
        ({"ledger": {"4": 1_000}}, ["bytes the web server got"]),
        ({"ledger": LEDGER | {"stranger": 1}}, ["bytes the web server got"]),
        ({"plan": Plan(PLAN.flow, (*PLAN.burst, Order("seal", SOURCE)))}, ["payment jobs enqueued"]),
    ],
)  # fmt: skip
def test_a_number_that_is_off_is_found_where_it_is(changed: dict[str, Any], expected: list[str]) -> None:
    books: dict[str, Any] = {"plan": PLAN, "ends": reports(), "held": held(), "ledger": LEDGER} | changed

    checks = audit(**books)

    assert expected == off(checks)


def test_a_job_whose_workers_died_too_often_is_dead_and_may_have_posted_before() -> None:
    poisoned = depths(counters={"enqueued": 2, "done": 1, "buried": 1, "charged": 2, "retry": 2}, dead=1)

    checks = audit(PLAN, with_end(4, report=None, failed_at=0), held() | {"notification": poisoned}, LEDGER)

    assert [] == off(checks)


# -- the plan ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [100, 101, 5_000])
def test_a_plan_has_exactly_so_many_jobs_of_every_kind(jobs: int) -> None:
    plan = planned(jobs, [SOURCE, Source("b.py", 5, "b")])
    orders = (*plan.flow, *plan.burst)

    assert (jobs, jobs) == (plan.total, len(orders))
    assert 1 == sum(order.source is None for order in orders)
    assert planning.BUSY_CUSTOMERS == sum(order.customer.startswith("busy-") for order in plan.flow)
    assert any(order.delayed for order in orders)
    assert {"seal", "pack", "weigh", "notify"} == {order.task for order in plan.flow}
    assert set(DOMAINS) == {order.domain for order in plan.burst}


def test_the_flow_is_spread_evenly_over_its_time() -> None:
    plan = planned(1_000, [SOURCE])

    assert [1, 251, 500, 500] == [plan.due(at * planning.FLOW_S) for at in (0, 0.5, 1, 2)]


def test_the_sources_are_the_running_pythons_library() -> None:
    sources = standard_library()

    assert len(sources) > 200
    assert any(source.path.endswith("/argparse.py") or source.path.endswith("/queue.py") for source in sources)
    assert not any("site-packages" in source.path for source in sources)


# -- the web server ---------------------------------------------------------------------------------


def post(web: Web, customer: str, job: str, body: bytes) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, web.port, timeout=10)
    try:
        connection.request("POST", f"/{customer}", body, {"Idempotency-Key": job})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_web_server_keeps_a_notice_once_however_often_it_comes() -> None:
    with Web() as web:
        answers = [post(web, "customer-1", job, b"12345") for job in ("a", "a", "b")]

    assert [202, 202, 202] == answers
    assert ({"a": 5, "b": 5}, 1, 0) == (web.ledger, web.again, web.refused)


def test_a_busy_customer_refuses_each_notice_at_first() -> None:
    with Web() as web:
        answers = [post(web, "busy-1", "a", b"1") for _ in range(REFUSALS + 1)]

    assert [503] * REFUSALS + [202] == answers
    assert ({"a": 1}, 0, REFUSALS) == (web.ledger, web.again, web.refused)


def test_who_is_no_worker_does_not_disturb_the_web_server(capfd: pytest.CaptureFixture[str]) -> None:
    with Web() as web:
        strange = http.client.HTTPConnection(LOOPBACK, web.port, timeout=10)
        strange.request("GET", "/")
        with pytest.raises(http.client.HTTPException):
            strange.getresponse()
        strange.close()
        answer = post(web, "customer-1", "a", b"1")

    assert (202, {"a": 1}) == (answer, web.ledger)
    assert "" == capfd.readouterr().err


# -- the looks --------------------------------------------------------------------------------------


def moment(**changes: Any) -> Moment:
    busy = depths(ready={"high": 1_234, "normal": 5, "low": 0}, running=40, load=1_279, scheduled=12,
                  counters={"enqueued": 9_000, "done": 7_000, "dead": 1, "retry": 24}, dead=1)  # fmt: skip
    look = Moment(3.25, 3, 27_000, dict.fromkeys(DOMAINS, busy), dict.fromkeys(DOMAINS, 410.4), (11, 12), ("burst!",))
    return msgspec.structs.replace(look, **changes)


def drawn(width: int, *moments: Moment, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, force_terminal=True, no_color=True, height=40)
    view = LiveView(console)
    for each in moments:
        view.show(each)
    with console.capture() as captured:
        console.print(view.drawn(moments[-1]))
    return captured.get()


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[\d;?]*\w", "", text).splitlines()


@pytest.mark.parametrize("width", [24, 40, 60, 80, 120, 200])
def test_the_live_view_fits_the_terminal(width: int) -> None:
    lines = plain(drawn(width, moment(), moment(news=("x" * 300,), pids=tuple(range(10_000, 10_060)))))

    assert [] == [line for line in lines if len(line) > width]
    assert 15 == len(lines)
    assert any(line.startswith("notification") for line in lines)


def test_a_narrow_terminal_loses_what_tells_least() -> None:
    titles = {width: plain(drawn(width, moment()))[2].split() for width in (80, 60, 48)}

    everything = ["ready", "running", "scheduled", "done", "retried", "dead", "workers", "jobs/s"]
    assert {
        80: everything,
        60: ["ready", "running", "done", "retried", "dead", "jobs/s"],
        48: ["ready", "running", "done", "jobs/s"],
    } == titles


def test_the_live_view_sums_up() -> None:
    lines = plain(drawn(80, moment()))

    [total] = [line for line in lines if line.startswith("in all")]
    assert ["3,717", "120", "36", "21,000", "72", "3", "6", "1,231"] == total.split()[2:]
    assert any("21,003 of 27,000" in line for line in lines)
    assert any("3,717 at most" in line for line in lines)


def test_a_terminal_that_knows_ascii_only_is_shown_nothing_else() -> None:
    assert drawn(80, moment(news=()), encoding="ascii").isascii()


def test_lines_tell_the_news_the_processes_and_the_state() -> None:
    console = Console(file=io.StringIO(), width=40)
    view = view_on(console)
    assert isinstance(view, LinesView)

    view.show(moment())
    view.show(moment(elapsed_s=3.5, news=()))
    view.show(moment(elapsed_s=4.5, news=(), pids=(11, 13)))

    state = "done 21,000 of 27,000  ready 3,717  running 120  scheduled 36  retried 72  dead 3  workers 6  1,231 jobs/s"
    assert [
        "  3.2 s  burst!",
        "  3.2 s  workers are processes 11 12",
        f"  3.2 s  {state}",
        "  4.5 s  workers are processes 11 13",
        f"  4.5 s  {state}",
    ] == console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # it is a StringIO


def summed_up(*checks: Check, encoding: str = "utf-8", **changes: Any) -> str:
    tallies = {domain: Tally.read(depths(counters={"enqueued": 10, "done": 10})) for domain in DOMAINS}
    summary = Summary(planned=30, seconds=8.04, server="Valkey 9.1.0", workers=6, domains=tallies, checks=checks,
                      refused=0, posted_again=0)  # fmt: skip
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_summary(Console(file=file, width=80), msgspec.structs.replace(summary, **changes))
    file.seek(0)
    return file.read()


def check(domain: str, found: int) -> Check:
    return Check("jobs done", domain, 10, found, ("Redis", "results"))


def test_a_summary_adds_alike_checks_up_when_all_are_right() -> None:
    told = summed_up(*(check(domain, 10) for domain in DOMAINS))

    assert told.startswith("30 jobs in 8.0 s, 6 worker processes, a private Valkey 9.1.0\n")
    assert re.search(r"^✓ jobs done 30 Redis = 30 results\s*$", told, re.MULTILINE)
    assert told.endswith("\nEverything adds up.\n")


def test_a_summary_names_each_number_that_is_off() -> None:
    told = summed_up(check("payment", 10), check("delivery", 9), check("notification", 11))

    assert re.search(r"^✗ delivery: jobs done +10 Redis ≠ +9 results\s*$", told, re.MULTILINE)
    assert re.search(r"^✗ notification: jobs done 10 Redis ≠ 11 results\s*$", told, re.MULTILINE)
    assert told.endswith("\n2 of these numbers are off.\n")


def test_a_summary_tells_what_the_death_of_workers_meant() -> None:
    died = depths(counters={"enqueued": 10, "done": 9, "returned": 30, "charged": 4, "buried": 1}, dead=1)

    told = summed_up(domains={"payment": Tally.read(died)}, planned=10, posted_again=2)

    assert [
        "34 jobs were given back by workers that died; 4 had begun, and were run alone.",
        "Notices that the web server got twice, and knew by the job's id: 2.",
        "Jobs that are dead letters because their workers died too often: 1.",
        "Everything adds up.",
    ] == told.splitlines()[-4:]


def test_a_summary_says_when_the_time_was_over() -> None:
    late = Tally.read(depths(counters={"enqueued": 20, "done": 15}, load=4, scheduled=1))

    told = summed_up(domains={"payment": late}, planned=30)

    assert told.endswith("\nThe time was over: 15 of 30 jobs have not ended.\n")


def test_a_summary_needs_no_more_than_ascii() -> None:
    told = summed_up(check("payment", 10), check("delivery", 9), encoding="ascii")

    assert re.search(r"^OFF delivery: jobs done 10 Redis != +9 results\s*$", told, re.MULTILINE)


def test_the_facts_of_a_summary_are_those_of_the_text() -> None:
    summary = Summary(planned=10, seconds=1.2345, server="Valkey 9.1.0", workers=3, refused=0, posted_again=0,
                      domains={"payment": Tally.read(depths(counters={"enqueued": 10, "done": 10}))},
                      checks=(check("payment", 9),))  # fmt: skip

    facts = summary.facts()

    assert (False, 1.23, 10) == (facts["adds_up"], facts["seconds"], facts["jobs"]["done"])
    assert [{
        "what": "jobs done", "domain": "payment", "expected": 10, "found": 9, "compared": ("Redis", "results"),
        "is_right": False,
    }] == list(facts["checks"])  # fmt: skip
