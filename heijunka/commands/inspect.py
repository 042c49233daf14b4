"""Read what a domain holds. Nothing here writes."""

from __future__ import annotations

import msgspec

from heijunka.broker.command import Command, Reply
from heijunka.clock import SERVER_CLOCK, Milliseconds
from heijunka.keys import PRIORITIES, SOURCE_PRIORITY, DomainKeys, Priority


class Depths(msgspec.Struct, frozen=True):
    """How much work a domain holds, and what became of what it had.

    Attributes:
        ready: jobs that may run now, by priority; suspects not included.
        running: jobs held by workers.
        suspects: jobs whose worker died while running them, waiting to be run alone.
        scheduled: jobs that wait for their time.
        dead: dead letters.
        workers: registered workers.
        load: ready + suspects + running + leases.
        counters: enqueued; in bounded domains admitted_h, _n and _l by priority, of which soft_h, _n and _l above the
            soft limit, and refused_hard_, refused_reserve_ and refused_draining_h, _n and _l; of admission leases
            granted_h, _n and _l (of which granted_soft_h, _n and _l above the soft limit), released_h, _n and _l, and
            expired_h, _n and _l, counted when somebody looks: granted = released + expired + held; ack, done, retry
            (and retry_delayed: those put off), snooze, dropped, dead, release of settled attempts; cancelled; marked
            (cancelled while a worker held them); returned, charged, buried, overdue, gone (deleted by somebody else)
            of what dead workers held; revived (made jobs again) and purged of dead letters. They add up: enqueued +
            revived = ack + done + dropped + dead + cancelled + buried + gone + load - leases + scheduled, and
            dead + buried = revived + purged + dead letters.
        leases: admission leases that are held.
        limits: the fields of what bounds the domain, as `heijunka.control.limits` reads them.
        held: jobs held by workers, by priority; suspects not included.
    """

    ready: dict[Priority, int]
    running: int
    suspects: int
    scheduled: int
    dead: int
    workers: int
    load: int
    counters: dict[str, int]
    leases: int = 0
    limits: dict[str, str] = {}
    held: dict[Priority, int] = {}

    @property
    def paused(self) -> tuple[Priority, ...]:
        """The priorities that nothing is pulled of."""
        return tuple(priority for priority in PRIORITIES if priority[0] in self.limits.get("paused", ""))

    def counted(self, *names: str) -> int:
        """The sum of some counters; 0 for those that never counted."""
        return sum(self.counters.get(name, 0) for name in names)


class Found(msgspec.Struct, frozen=True):
    """The job is here.

    Attributes:
        at: its entry id, or its due moment (ms) among scheduled jobs.
        held: whether a worker holds it.
        member: what it is among scheduled jobs; empty elsewhere.
    """

    at: str | int
    held: bool = False
    member: bytes = b""


class More(msgspec.Struct, frozen=True):
    """Not among these; go on from `at`."""

    at: str | int


class Absent(msgspec.Struct, frozen=True):
    """The job is not here."""


def depths(keys: DomainKeys, *, now: Milliseconds = SERVER_CLOCK) -> Command[Depths]:
    """How much work a domain holds, in one step."""
    return Command(
        "depths",
        keys=(keys.stats, keys.scheduled, keys.dead, keys.workers, keys.limits, keys.leases, *keys.sources),
        args=(now,),
        read=_depths,
    )


def seek(stream: str, job_id: bytes, *, start: str = "-", limit: int = 500) -> Command[Found | More | Absent]:
    """Find a job among up to `limit` entries of a stream, from entry id `start` on; `(` in front begins behind it."""
    return Command("seek", keys=(stream,), args=(job_id, start, limit), read=_sought)


def seek_scheduled(
    keys: DomainKeys, job_id: bytes, *, start: int = 0, limit: int = 500
) -> Command[Found | More | Absent]:
    """Find a job among up to `limit` scheduled ones.

    Parameters:
        keys: of its domain.
        job_id: 16 bytes.
        start: rank to begin with. From 0 on pages go from the soonest to the latest, and a job is overlooked
            when others are promoted meanwhile; from `-limit` on they go from the latest to the soonest.
        limit: jobs at most.
    """
    return Command("seek_scheduled", keys=(keys.scheduled,), args=(job_id, start, limit), read=_sought)


def _depths(reply: Reply) -> Depths:
    scheduled, dead, workers, lengths, pending, counted, leases, limits = reply[1:]
    counters = {name: int(count) for name, count in _texts(counted).items()}
    admitted = sum(count for name, count in counters.items() if name.startswith("admitted_"))
    if admitted:  # bounded domains count them by priority instead
        counters["enqueued"] = counters.get("enqueued", 0) + admitted
    ready = dict.fromkeys(PRIORITIES, 0)
    held = dict.fromkeys(PRIORITIES, 0)
    for priority, length, pulled in zip(SOURCE_PRIORITY, lengths, pending, strict=True):
        if priority is not None:
            ready[priority] += length - pulled
            held[priority] += pulled
    return Depths(
        ready=ready,
        running=sum(pending),
        suspects=lengths[0] - pending[0],
        scheduled=scheduled,
        dead=dead,
        workers=workers,
        load=sum(lengths) + leases,
        counters=counters,
        leases=leases,
        limits=_texts(limits),
        held=held,
    )


def _texts(pairs: list[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _sought(reply: Reply) -> Found | More | Absent:
    if reply[0] == b"absent":
        return Absent()
    at = reply[1].decode() if isinstance(reply[1], bytes) else reply[1]
    if reply[0] == b"more":
        return More(at)
    return Found(at, bool(reply[2])) if isinstance(reply[2], int) else Found(at, member=reply[2])
