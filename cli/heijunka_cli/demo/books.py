"""The demo's bookkeeping: what was handed in, what Redis counted, what the tasks report. They must agree.

Pure: the numbers are arguments. Each `Check` holds two numbers that come from different places and must be
equal, so a job that got lost, ran without being counted, or was counted twice shows as a check that is off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from heijunka.commands import Depths
from heijunka_cli.demo.app import Notice, Parcel, Report, Seal, Weight
from heijunka_cli.demo.plan import DOMAINS, Order, Plan

_DONE: Final = ("ack", "done")
_DEAD: Final = ("dead", "buried")


class Ended(msgspec.Struct, frozen=True):
    """One job, after the run.

    Attributes:
        id: of the job.
        order: what was enqueued.
        report: what its task reported; None when it did not.
        failed_at: the attempt that failed for good, when that is what happened; 0 when no attempt failed (its workers
            died); None when the job has not failed.
    """

    id: str
    order: Order
    report: Report | None = None
    failed_at: int | None = None


class Check(msgspec.Struct, frozen=True):
    """Two numbers that must be equal.

    Attributes:
        what: they count.
        domain: whose they are, or "" for all domains.
        expected: the first.
        found: the second.
        compared: where the first and the second come from.
    """

    what: str
    domain: str
    expected: int
    found: int
    compared: tuple[str, str]

    @property
    def is_right(self) -> bool:
        """Whether they are equal."""
        return self.expected == self.found


class Tally(msgspec.Struct, frozen=True):
    """What Redis says about one domain after the run.

    Attributes:
        enqueued: jobs it accepted.
        done: jobs that ended well.
        dead: jobs that ended as dead letters.
        retried: attempts that failed and were followed by another.
        redelivered: times that a job was given back because its worker died.
        suspected: how many of these were running then, and run alone from then on; the others had not begun.
        poisoned: jobs that are dead because their workers died too often.
        left: jobs that have not ended.
    """

    enqueued: int
    done: int
    dead: int
    retried: int
    redelivered: int
    suspected: int
    poisoned: int
    left: int

    @classmethod
    def read(cls, depths: Depths) -> Tally:
        """From what a domain holds."""
        counted = depths.counted
        return cls(
            enqueued=counted("enqueued"),
            done=counted(*_DONE),
            dead=counted(*_DEAD),
            retried=counted("retry"),
            redelivered=counted("returned", "charged"),
            suspected=counted("charged"),
            poisoned=counted("buried"),
            left=depths.load + depths.scheduled,
        )

    @classmethod
    def nothing(cls) -> Tally:
        """Of no domain."""
        return cls(0, 0, 0, 0, 0, 0, 0, 0)

    def __add__(self, other: Tally) -> Tally:
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Tally(*(one + another for one, another in zip(mine, theirs, strict=True)))


class Summary(msgspec.Struct, frozen=True):
    """How it went.

    Attributes:
        planned: jobs that were to be enqueued.
        seconds: from the first job that was enqueued to the last that ended.
        server: what Redis it was.
        workers: worker processes at a time.
        domains: by name, what Redis says about them.
        checks: numbers that must be equal.
        refused: requests that the customers' web server refused.
        posted_again: notices that it got twice.
    """

    planned: int
    seconds: float
    server: str
    workers: int
    domains: dict[str, Tally]
    checks: tuple[Check, ...]
    refused: int
    posted_again: int

    @property
    def total(self) -> Tally:
        """All domains."""
        return sum(self.domains.values(), Tally.nothing())

    @property
    def unfinished(self) -> int:
        """Jobs that are still there, or were not even enqueued: it ran out of time."""
        total = self.total
        return total.left + self.planned - total.enqueued

    @property
    def off(self) -> tuple[Check, ...]:
        """The checks whose numbers differ."""
        return tuple(check for check in self.checks if not check.is_right)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        facts: dict[str, Any] = msgspec.to_builtins(self)
        facts["seconds"] = round(self.seconds, 2)
        for told, check in zip(facts["checks"], self.checks, strict=True):
            told["is_right"] = check.is_right
        return {"adds_up": not self.off, "jobs": msgspec.to_builtins(self.total)} | facts


def audit(
    plan: Plan, ends: Sequence[Ended], held: Mapping[str, Depths], ledger: Mapping[str, int]
) -> tuple[Check, ...]:
    """Hold the books against each other.

    Parameters:
        plan: what was to be handed in.
        ends: every job that was handed in.
        held: what Redis says about each domain.
        ledger: bytes of each notice that the web server got, by job.
    """
    checks: list[Check] = []
    for domain in DOMAINS:
        planned = sum(order.domain == domain for order in (*plan.flow, *plan.burst))
        checks += _domain(domain, planned, [end for end in ends if end.order.domain == domain], held[domain])
    return (*checks, *_work(ends, ledger))


def _domain(domain: str, planned: int, ends: Sequence[Ended], held: Depths) -> Iterable[Check]:
    tally = Tally.read(held)
    reported = [end for end in ends if end.report is not None]
    failed = [end for end in ends if end.failed_at is not None]
    yield Check("jobs enqueued", domain, planned, tally.enqueued, ("planned", "Redis"))
    yield Check("jobs ended, well or dead", domain, len(ends), tally.done + tally.dead, ("handed in", "Redis"))
    yield Check("jobs left in queues", domain, 0, tally.left, ("nothing", "Redis"))
    yield Check("jobs done", domain, tally.done, len(reported), ("Redis", "results"))
    yield Check("jobs dead", domain, held.dead, len(failed), ("dead letters", "results"))
    if not any(end.failed_at == 0 for end in ends):  # nobody knows at which attempt those were
        again = sum(end.report.attempt - 1 for end in reported if end.report is not None)
        again += sum((end.failed_at or 1) - 1 for end in failed)
        yield Check("retries", domain, tally.retried, again, ("Redis", "tasks"))


def _work(ends: Sequence[Ended], ledger: Mapping[str, int]) -> Iterable[Check]:
    named: tuple[tuple[str, type[Report]], ...] = (
        ("bytes sealed", Seal), ("bytes packed", Parcel), ("bytes weighed", Weight), ("bytes posted", Notice),
    )  # fmt: skip
    expected, found, right = Counter[type](), Counter[type](), 0
    for end in ends:
        report, source = end.report, end.order.source
        if report is not None and source is not None:
            expected[type(report)] += source.size
            found[type(report)] += report.size
            right += isinstance(report, Seal) and report.sha256 == source.sha256
    for what, kind in named:
        yield Check(what, "", expected[kind], found[kind], ("files", "tasks"))
    seals = sum(isinstance(end.report, Seal) for end in ends)
    yield Check("right SHA-256 sums", "", seals, right, ("seals", "files"))
    unreported = {end.id for end in ends if end.report is None}  # it may have posted before its worker died
    got = sum(size for job, size in ledger.items() if job not in unreported)
    yield Check("bytes the web server got", "", found[Notice], got, ("tasks", "web server"))
