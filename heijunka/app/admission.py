"""What admission says to who enqueues: a receipt for what was accepted, an error for what was not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from heijunka.app.outgoing import Outgoing
from heijunka.commands.enqueue import Gauge, Reason, Refused
from heijunka.errors import Draining, Overloaded
from heijunka.keys import PRIORITIES, Priority
from heijunka.policies.admission import pressure, retry_after_s

State = Literal["ok", "soft", "refused"]
"""Below the soft limit; above it; or not accepted at all."""

OnOverload = Literal["raise", "wait", "drop"]
"""What `enqueue` does when there is no room: raise `Overloaded`, wait for room, or return a job that was refused."""

ON_OVERLOAD: Final[tuple[OnOverload, ...]] = ("raise", "wait", "drop")


class Admission(msgspec.Struct, frozen=True):
    """How full a domain was when it took a job, or did not.

    Attributes:
        state: "ok", "soft" (accepted, and above the soft limit: slow down) or "refused".
        pressure: load over soft limit; 0 in a domain without one.
        retry_after: when there should be less pressure, or room, in seconds; None when all is well.

    Example:
        >>> job = charge.enqueue(order, amount)  # doctest: +SKIP
        >>> if job.admission.state == "soft":  # doctest: +SKIP
        ...     time.sleep(job.admission.retry_after)
    """

    state: State
    pressure: float = 0.0
    retry_after: float | None = None


OK: Final = Admission("ok")
"""Of every job in a domain that nothing bounds."""


class Terms(msgspec.Struct, frozen=True):
    """What a call wants done when there is no room.

    Attributes:
        on_overload: raise, wait or drop.
        wait_ms: how long to wait at most.
        partial: accept what there is room for, and drop the rest.
    """

    on_overload: OnOverload = "raise"
    wait_ms: int = 0
    partial: bool = False

    @property
    def waits_ms(self) -> int:
        """How long it waits for room, 0 for not at all."""
        return self.wait_ms if self.on_overload == "wait" and not self.partial else 0


RAISE: Final = Terms()


def admission(gauge: Gauge | None) -> Admission:
    """The receipt of what was accepted."""
    if gauge is None:
        return OK
    pressed = pressure(load=gauge.load, soft=gauge.soft)
    if gauge.soft is None or gauge.load <= gauge.soft:
        return Admission("ok", pressed)
    return Admission("soft", pressed, retry_after_s(load=gauge.load, limit=gauge.soft, pace=gauge.pace, jobs=0))


def refusal(gauge: Gauge | None, reason: Reason) -> Admission:
    """The receipt of what was refused."""
    if gauge is None:
        return Admission("refused")
    pressed = pressure(load=gauge.load, soft=gauge.soft)
    return Admission("refused", pressed, _retry_after(gauge, reason, 1))


def overloaded(refused: Refused, outgoing: Sequence[Outgoing], accepted: int = 0) -> Overloaded:
    """The error of a call that was refused."""
    priority, jobs = priority_of(outgoing[0]), len(outgoing)
    what = f"{jobs} jobs" if jobs > 1 else f"a {priority} job"
    return no_room(refused, outgoing[0].domain, priority, what=what, jobs=jobs, accepted=accepted)


def no_room(
    refused: Refused, domain: str, priority: Priority, *, what: str, jobs: int = 1, accepted: int = 0
) -> Overloaded:
    """The error of what was refused, named as `what`."""
    gauge, limit = refused.gauge, _limit(refused.gauge, refused.reason)
    facts = {
        "domain": domain,
        "priority": priority,
        "load": gauge.load,
        "limit": limit,
        "retry_after": _retry_after(gauge, refused.reason, jobs),
        "accepted": accepted,
    }
    if refused.reason == "draining":
        return Draining(f"{domain} is being drained and takes no jobs", hint=f"heijunka undrain {domain}", **facts)
    load = "the load" if refused.reason == "hard" else "the load of normal and low"
    waiting = 'use on_overload="wait"' if what.endswith(("job", "jobs")) else "give it time to wait: wait=2"
    return Overloaded(
        f"{domain} has no room for {what}: {load} may be {limit}, and {gauge.load} jobs are in",
        hint=f"come back in {facts['retry_after']:.1f} s, or {waiting}",
        **facts,
    )


def priority_of(outgoing: Outgoing) -> Priority:
    """The priority of a job on its way."""
    return next(priority for priority in PRIORITIES if priority[0] == outgoing.where[0])


def _limit(gauge: Gauge, reason: Reason) -> int | None:
    return {"hard": gauge.hard, "reserve": gauge.share, "draining": None}[reason]


def _retry_after(gauge: Gauge, reason: Reason, jobs: int) -> float:
    return retry_after_s(load=gauge.load, limit=_limit(gauge, reason), pace=gauge.pace, jobs=jobs)
