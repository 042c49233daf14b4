"""What supervisors, the leader and people tell each other about pools, and the commands that carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeVar

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import DomainKeys, NamespaceKeys
from heijunka.policies.burst import Surge, Totals
from heijunka.policies.scaling import ScalingRules

EXPLAINED: Final = 100
"""Decisions about one pool that are kept."""

CALL_TTL: Final = Milliseconds(60_000)
SUPERVISORS: Final = 1_000
"""How many the leader looks at."""

S = TypeVar("S")


class PoolReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one supervisor has of one pool. Totals only grow while the supervisor lives.

    Attributes:
        workers: that pull, or will as soon as they have started.
        starting: of these, those that do not pull yet.
        draining: that finish what they run and end.
        slots: of each worker.
        busy_ns: how long all slots have run attempts, in all.
        slot_ns: how long there were slots, busy or not, in all.
        ended: attempts that ended, in all.
        least, most: how many workers the pool should have, as the application says.
        fixed: whether this supervisor keeps its number whatever the leader says.
        broken: workers whose breaker is not closed.
    """

    workers: int
    starting: int = 0
    draining: int = 0
    slots: int = 1
    busy_ns: int = 0
    slot_ns: int = 0
    ended: int = 0
    least: int = 0
    most: int = 0
    fixed: bool = False
    broken: int = 0


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one supervisor has.

    Attributes:
        host: where it runs.
        pid: its process.
        room: workers that it may have in all.
        pools: by domain.
        known: domains of the application, served or not.
        scaling: what pools are held to, their bounds apart.
    """

    host: str
    pid: int
    room: int
    pools: dict[str, PoolReport] = {}
    known: tuple[str, ...] = ()
    scaling: ScalingRules = ScalingRules()


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a pool should have.

    Attributes:
        workers: in all.
        split: of these, how many each supervisor should have.
        reason: why, in words and numbers.
        mode: "auto" when the leader found it right, "manual" when somebody ordered it.
        utilisation: busy to all slot-seconds of the last window, 0 to 1.
        health: the word for how the pool is.
        depths: jobs that waited at the last ten looks, the oldest first.
        at_ms: when, by Redis's clock.
        base: of the workers, those that it would have without a surge and if it were alone.
        surge: the surge that is on.
        surges: what all its surges have come to.
    """

    workers: int
    split: dict[str, int] = {}
    reason: str = ""
    mode: Literal["auto", "manual"] = "auto"
    utilisation: float = 0.0
    health: str = ""
    depths: tuple[int, ...] = ()
    at_ms: int = 0
    base: int | None = None
    surge: Surge | None = None
    surges: Totals = Totals()


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody wants of a pool.

    Attributes:
        workers: so many, whatever its load; None for what the leader finds right.
        stopped_ms: when somebody stopped its surges last, by Redis's clock.
        moved: workers that somebody moved to it from another pool (below 0: away from it).
        moved_ms: when that was, by Redis's clock.
    """

    workers: int | None = None
    stopped_ms: int = 0
    moved: int = 0
    moved_ms: int = 0


class Explained(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision about a pool.

    Attributes:
        at_ms: when, by Redis's clock.
        before, after: workers it was to have.
        reason: why, in words and numbers.
    """

    at_ms: int
    before: int
    after: int
    reason: str


class Led(msgspec.Struct, frozen=True):
    """Whether we lead.

    Attributes:
        leading: whether it is us.
        term: of whoever leads.
        expires_ms: until when, ms since the epoch by Redis's clock.
        leader: who it is, when it is not us.
    """

    leading: bool
    term: int
    expires_ms: int
    leader: str = ""


class Fleet(msgspec.Struct, frozen=True):
    """Who serves, and what is wanted.

    Attributes:
        now_ms: by Redis's clock.
        reports: by supervisor.
        orders: by domain.
        targets: by domain.
        leader: who leads; "" when nobody does.
        term: of the last leader.
    """

    now_ms: int
    reports: Mapping[str, Report]
    orders: Mapping[str, Order]
    targets: Mapping[str, Target]
    leader: str
    term: int

    def domains(self) -> tuple[str, ...]:
        """Those that somebody serves, in order."""
        return tuple(sorted({domain for report in self.reports.values() for domain in report.pools}))

    def pool(self, domain: str) -> dict[str, PoolReport]:
        """What supervisors have of one pool, by supervisor."""
        return {name: report.pools[domain] for name, report in self.reports.items() if domain in report.pools}


def lead(keys: NamespaceKeys, me: str, *, ttl: Milliseconds, now: Milliseconds = SERVER_CLOCK) -> Command[Led]:
    """Become the leader for `ttl` ms, or stay it, unless somebody else is."""
    return Command("lead", keys=(keys.leader,), args=(me, ttl, now), read=_led)


def resign(keys: NamespaceKeys, me: str, term: int) -> Command[bool]:
    """Leave the leadership; whether it was still ours."""
    return Command(
        "resign", keys=(keys.leader, keys.election), args=(me, term), read=lambda reply: reply[0] == b"resigned"
    )


def report(
    keys: NamespaceKeys, me: str, says: Report, *, ttl: Milliseconds, now: Milliseconds = SERVER_CLOCK
) -> Command[dict[str, Target]]:
    """Say what the supervisor `me` has; what each pool should have. The report is believed for `ttl` ms."""
    return Command(
        "report",
        keys=(keys.supervisors, keys.reports, keys.targets),
        args=(me, ttl, msgspec.msgpack.encode(says), 10, now),
        read=lambda reply: _decoded(reply[2], Target),
    )


def withdraw(keys: NamespaceKeys, me: str) -> Command[None]:
    """Sign the supervisor `me` off."""
    return Command("withdraw", keys=(keys.supervisors, keys.reports, keys.attention), args=(me,), read=lambda _: None)


def fleet(keys: NamespaceKeys, *, limit: int = SUPERVISORS, now: Milliseconds = SERVER_CLOCK) -> Command[Fleet]:
    """Who serves, what is ordered and decided, and who leads."""
    return Command(
        "fleet",
        keys=(keys.supervisors, keys.reports, keys.orders, keys.targets, keys.leader),
        args=(now, limit),
        read=_fleet,
    )


def target(
    keys: NamespaceKeys,
    me: str,
    term: int,
    domain: str,
    wanted: Target,
    *,
    decision: Explained | None = None,
    ended: Surge | None = None,
    calls: Sequence[str] = (),
) -> Command[bool]:
    """Say, as leader of a term, what a pool should have; whether we are still believed.

    Parameters:
        keys: of the namespace.
        me: the leader's id.
        term: of the leadership.
        domain: of the pool.
        wanted: what it should have.
        decision: what changed and why; None when nothing did.
        ended: the surge that ended now.
        calls: supervisors that are woken.
    """
    return Command(
        "target",
        keys=(keys.leader, keys.targets, keys.explained(domain), keys.surges(domain), keys.calls),
        args=(
            me,
            term,
            domain,
            msgspec.msgpack.encode(wanted),
            b"" if decision is None else msgspec.msgpack.encode(decision),
            b"" if ended is None else msgspec.msgpack.encode(ended),
            EXPLAINED,
            CALL_TTL,
            *calls,
        ),
        read=lambda reply: reply[0] == b"set",
        repeatable=decision is None and ended is None,
    )


def call(keys: NamespaceKeys, supervisors: Sequence[str]) -> Command[None]:
    """Wake supervisors, so that their workers look at what changed."""
    return Command("call", keys=(keys.calls,), args=(CALL_TTL, *supervisors), read=lambda _: None)


def order(keys: NamespaceKeys, domain: str, wanted: Order | None) -> Command[Order | None]:
    """Say what a pool should have, or with None leave it to the leader; what was ordered before."""
    return Command(
        "order",
        keys=(keys.orders, keys.attention),
        args=(domain, b"" if wanted is None else msgspec.msgpack.encode(wanted)),
        read=lambda reply: msgspec.msgpack.decode(reply[1], type=Order) if reply[1] else None,
    )


def oldest(keys: DomainKeys) -> Command[int | None]:
    """Since when (ms, by Redis's clock) the oldest job waits that nobody has pulled; None when there is none."""
    return Command("oldest", keys=keys.sources, args=(), read=lambda reply: min(reply[1:], default=None))


def _led(reply: Reply) -> Led:
    leader = reply[3].decode() if len(reply) > 3 else ""
    return Led(reply[0] == b"leader", reply[1], reply[2], leader)


def _fleet(reply: Reply) -> Fleet:
    _, now, living, said, orders, targets, (leader, term, expires) = reply
    reports = {
        name.decode(): msgspec.msgpack.decode(one, type=Report) for name, one in zip(living, said, strict=True) if one
    }
    leads = int(expires or 0) > now
    return Fleet(
        now,
        reports,
        _decoded(orders, Order),
        _decoded(targets, Target),
        (leader or b"").decode() if leads else "",
        int(term or 0),
    )


def _decoded(flat: Sequence[bytes], kind: type[S]) -> dict[str, S]:
    return {
        name.decode(): msgspec.msgpack.decode(blob, type=kind) for name, blob in zip(flat[::2], flat[1::2], strict=True)
    }
