"""The settler on servers that refuse: what Redis cannot be told about one job costs no other job anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from heijunka import commands, wire
from heijunka.broker import scripts
from heijunka.broker.client import Client
from heijunka.commands import Depths, Entry
from heijunka.keys import DomainKeys
from heijunka.worker.settler import Settler
from tests.fixtures.chaosproxy import chaos_proxy
from tests.fixtures.domain import KEEP_MS, WORKER, Domain, result
from tests.fixtures.samples import id_of, text_of
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until

KEYS = DomainKeys("settling", "payment")
SMALL = {"proto-max-bulk-len": "1mb"}
LARGE = b"x" * 1_100_000
Start = Callable[..., Server]


class Desk:
    """A settler and the domain it settles for.

    Parameters:
        url: of the domain's server.
        through: what the settler is told the server's address is.
    """

    def __init__(self, url: str, through: str = "") -> None:
        self.client = Client(url)
        self.domain = Domain(self.client, KEYS)
        self._of_settler = Client(through or url)
        channel = self._of_settler.channel()
        self.settler = Settler(channel, KEYS, busy=lambda: False, keep_failure_ms=KEEP_MS)

    def holding(self, jobs: int) -> list[Entry]:
        """Jobs that a worker holds and the settler knows of."""
        self.domain.accept(jobs)
        entries = self.domain.pull(jobs)
        self.settler.hold(entries)
        return entries

    def finish(self, *entries: Entry, record: bytes | None = None) -> None:
        """Hand in that these are done."""
        for entry in entries:
            job_id = text_of(entry.job)
            kept = record or result(id_of(entry.job))
            self.settler.put(entry, commands.done(entry, job_id, keep_ms=KEEP_MS, result=kept))

    def settled(self) -> Depths:
        """What the domain holds when nothing is held any more."""
        wait_until(lambda: not self.settler.held)
        return self.depths()

    def depths(self) -> Depths:
        """What the domain holds."""
        return self.client.execute(commands.depths(KEYS))

    def letters(self) -> list[tuple[bytes, bytes, wire.Result | wire.Failure]]:
        """The dead letters: job, reason, failure."""
        return [
            (fields[1], fields[3], wire.decode_end(fields[5]))
            for _, fields in self.client.plain("XRANGE", KEYS.dead, "-", "+")
        ]

    def close(self) -> None:
        """Stop the settler."""
        self.settler.stop()
        self.client.close()
        self._of_settler.close()


@pytest.fixture
def desk() -> Iterator[Callable[..., Desk]]:
    """Opens desks; their settlers are not started."""
    opened: list[Desk] = []

    def open_one(url: str, through: str = "") -> Desk:
        opened.append(Desk(url, through))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


Opens = Callable[..., Desk]


def test_a_record_that_redis_does_not_read_is_a_dead_letter_and_the_batch_is_settled(
    fresh_server: Start, desk: Opens
) -> None:
    at = desk(fresh_server(**SMALL).url)
    first, large, *rest = at.holding(5)
    at.finish(first)
    at.finish(large, record=LARGE)
    at.finish(*rest)

    at.settler.start()

    depths = at.settled()
    assert (4, 1, 0) == (depths.counted("done"), depths.counted("dead"), depths.load)
    [(job, reason, failure)] = at.letters()
    assert (large.job, b"refused") == (job, reason)
    assert isinstance(failure, wire.Failure)
    assert "(done, 1,100,0" in failure.message
    told = at.client.plain("GET", KEYS.result(text_of(large.job)))
    assert failure == wire.decode_end(told), "who waits learns of it"
    assert 0 == at.settler.fenced


def test_an_outcome_that_fails_in_the_script_costs_the_others_nothing(fresh_server: Start, desk: Opens) -> None:
    at = desk(fresh_server().url)
    wrong, *rest = at.holding(3)
    at.settler.put(wrong, commands.retry(wrong, where="nowhere", job=wrong.job))
    at.finish(*rest)

    at.settler.start()

    depths = at.settled()
    assert (2, 1, 0) == (depths.counted("done"), depths.counted("dead"), depths.load)
    [(job, reason, failure)] = at.letters()
    assert (wrong.job, b"refused") == (job, reason)
    assert isinstance(failure, wire.Failure)
    assert "no place is called nowhere" in failure.message


def test_a_job_whose_dead_letter_is_refused_too_is_given_back(fresh_server: Start, desk: Opens) -> None:
    at = desk(fresh_server().url)
    job = wire.encode_job(wire.Job(wire.FORMAT, wire.new_id(), "charge", wire.raw(b"\xc6\0\x10\xc8\xe0" + LARGE)))
    at.client.execute(commands.enqueue(KEYS, ["n", job]))
    [entry] = at.domain.pull(1)
    at.settler.hold([entry])
    at.client.plain("CONFIG", "SET", "proto-max-bulk-len", "1mb")
    at.settler.put(entry, commands.retry(entry, where="n", job=job))

    at.settler.start()

    depths = at.settled()
    assert (1, 0, 1) == (depths.counted("release"), depths.counted("dead"), depths.load)
    [again] = at.domain.pull(1)
    assert job == again.job


def test_nobody_is_blamed_for_a_redis_that_is_away(
    fresh_server: Start, desk: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    server = fresh_server(appendonly="yes", appendfsync="always")
    at = desk(server.url)
    entries = at.holding(3)
    at.finish(*entries)
    server.kill()

    at.settler.start()
    wait_until(lambda: "cannot settle yet" in caplog.text)
    server.start()

    depths = at.settled()
    assert (3, 0, 0) == (depths.counted("done"), depths.counted("dead"), depths.load)


def test_replies_that_are_lost_again_and_again_make_no_dead_letter(
    fresh_server: Start, desk: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    server = fresh_server()
    with chaos_proxy(server.socket) as proxy:
        at = desk(server.url, proxy.url)
        entries = at.holding(4)
        at.finish(*entries)
        proxy.lose(5, only=scripts.load("settle").sha.encode())

        at.settler.start()

        depths = at.settled()
        assert (4, 0, 0, 5) == (depths.counted("done"), depths.counted("dead"), depths.load, proxy.lost)
        assert 0 == at.settler.fenced
        assert "one by one" in caplog.text


def test_what_a_spoilt_key_holds_up_waits_until_it_is_mended_and_the_rest_goes_on(
    fresh_server: Start, desk: Opens
) -> None:
    at = desk(fresh_server().url)
    late, *rest = at.holding(3)
    at.client.plain("SET", KEYS.scheduled, "spoilt")
    at.settler.put(late, commands.retry(late, where="n+60000", job=late.job))
    at.finish(*rest)

    at.settler.start()

    wait_until(lambda: list(at.settler.held.values()) == [late])
    assert 2 == int(at.client.plain("HGET", KEYS.stats, "done"))
    at.client.plain("DEL", KEYS.scheduled)
    depths = at.settled()
    assert (2, 1, 0) == (depths.counted("done"), depths.counted("retry"), depths.counted("dead"))


def test_what_is_left_when_a_settler_has_to_stop_is_told(fresh_server: Start, desk: Opens) -> None:
    server = fresh_server()
    at = desk(server.url)
    entries = at.holding(1)
    at.client.plain("SET", KEYS.dead, "spoilt")
    at.settler.put(entries[0], at_death(entries[0]))
    at.settler.start()
    at.settler._patience.end_in(0)

    assert not at.settler.stop()
    assert WORKER in {name.decode() for name in at.client.plain("ZRANGE", KEYS.workers, "0", "-1")}


def at_death(entry: Entry) -> tuple[str | bytes | int | float, ...]:
    """The outcome of a last attempt."""
    return commands.dead(entry, text_of(entry.job), keep_ms=0, failure=b"\xc0", reason="retries", job=entry.job)
