"""docs/redis.md says what a user of Redis must be allowed: exactly that suffices."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from heijunka import Heijunka, commands, wire
from heijunka.app.cancel import cancelled
from heijunka.broker.client import Client
from heijunka.broker.subscription import Subscription
from heijunka.clock import Milliseconds
from heijunka.commands.enqueue import where
from heijunka.errors import RedisDenied
from heijunka.keys import DomainKeys
from tests.fixtures.letters import bury
from tests.fixtures.server import Server, driver

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"


def allowed(who: str) -> list[str]:
    """The commands that the page names for `producers`, `workers` or `operators`, each with those of the rows above."""
    page = PAGE.read_text().replace("\\|", "¦")
    rows = dict(re.findall(r"^\| (producers|workers|operators)\b[^|]*\|[^|]+\|[^|]+\| (.*) \|$", page, re.MULTILINE))
    everybody = list(rows)
    named = [word for row in everybody[: everybody.index(who) + 1] for word in re.findall(r"`([^`]+)`", rows[row])]
    return [word.replace("¦", "|") for word in named]


def url_for(server: Server, who: str, *, without: str = "") -> str:
    """A URL of a user who may do what the page says, but for one command."""
    with driver(server.url) as looking:
        looking.execute_command(
            "ACL",
            "SETUSER",
            who,
            "reset",
            "on",
            ">secret",
            "resetchannels",
            *(["~{shop:*"] if who == "producers" else ["~{shop:*", "~{shop}*"]),
            "&{shop:*",
            "-@all",
            *(f"+{word}" for word in allowed(who) if word != without),
        )
    return f"unix://{who}:secret@{server.socket}"


def job() -> tuple[str, bytes]:
    """An encoded job and its id."""
    job_id = wire.new_id()
    return wire.id_text(job_id), wire.encode_job(wire.Job(wire.FORMAT, job_id, "charge", wire.NOTHING))


def test_what_the_page_allows_suffices(fresh_server: Callable[..., Server]) -> None:
    server, keys = fresh_server(), DomainKeys("shop", "payment")
    job_id, blob = job()
    with Client(url_for(server, "producers")) as producer, Client(url_for(server, "workers"), role="worker") as worker:
        waiting = Subscription(url_for(server, "producers"))
        ends: list[bytes | None] = []
        waiter = threading.Thread(target=lambda: ends.append(waiting.wait(keys.result(job_id), 20)))
        waiter.start()

        producer.plain("TIME")
        producer.execute(commands.enqueue(keys, [where("normal"), blob, where("low", delay_ms=1), job()[1]]))
        worker.plain("INFO", "server")
        worker.plain("CONFIG", "GET", "maxmemory-policy")
        worker.execute(commands.join(keys, "w1", ttl=Milliseconds(60_000)))
        worker.execute(commands.join(keys, "w2", ttl=Milliseconds(60_000)))
        worker.execute(commands.renew(keys, ["w1"], ttl=Milliseconds(60_000)))
        worker.execute(commands.promote(keys, now=Milliseconds(2_000_000_000_000)))
        worker.execute(commands.marks(keys))
        worker.plain("BLPOP", keys.bell, "0.01")
        pulled = worker.execute(commands.pull(keys, "w1", 10, alone=True))
        assert isinstance(pulled, commands.Pulled)
        entry, other = pulled.entries
        worker.execute(commands.held(keys, "w1", count=10))
        worker.execute(
            commands.settle(
                keys,
                [
                    commands.done(entry, job_id, keep_ms=60_000, result=b"kept"),
                    commands.release(other),
                ],
            )
        )
        pulled = worker.execute(commands.pull(keys, "w1", 10, alone=True))
        assert isinstance(pulled, commands.Pulled)
        dead = commands.recover(
            keys,
            "w1",
            death="seen",
            failure=b"died",
            max_deliveries=1,
            keep_ms=1,
            started=[(pulled.entries[0].source, pulled.entries[0].id.decode())],
        )
        assert 1 == worker.execute(dead).buried
        worker.execute(commands.lapsed(keys))
        worker.execute(commands.leave(keys, "w2"))
        producer.execute(commands.depths(keys))

        waiter.join(20)
        waiting.close()
        assert [b"kept"] == ends


def test_what_the_page_allows_operators_suffices(fresh_server: Callable[..., Server]) -> None:
    server, keys = fresh_server(), DomainKeys("shop", "payment")
    with driver(server.url) as looking:
        buried = [bury(looking, keys) for _ in range(6)]

    with Heijunka("shop", redis_url=url_for(server, "operators")) as app:
        dead = app.control.dead
        assert buried[::-1] == [letter.entry for letter in dead.letters("payment", newest=True, newer_than="1h")]
        assert buried[0] == dead.letter("payment", dead.letter("payment", buried[0]).id).entry
        dead.edit("payment", buried[0], change={"cents": 7})
        assert 1 == dead.retry("payment", only=[buried[1]]).letters
        assert 2 == dead.retry("payment", rate="1/h", limit=2).letters
        assert 1 == dead.purge("payment", limit=1)
        assert 1 == dead.trim("payment", keep=1)


def test_what_the_page_allows_operators_suffices_to_cancel_and_workers_to_end_what_was_cancelled(
    fresh_server: Callable[..., Server],
) -> None:
    server, keys = fresh_server(), DomainKeys("shop", "payment")
    waiting, delayed, running = (job() for _ in range(3))
    with Client(url_for(server, "operators")) as operator, Client(url_for(server, "workers")) as worker:
        worker.execute(commands.enqueue(keys, [where("normal"), waiting[1], where("low", delay_ms=60_000), delayed[1]]))
        assert ["cancelled", "cancelled"] == [
            cancelled(operator, keys, wire.id_bytes(job_id)) for job_id, _ in (waiting, delayed)
        ]
        worker.execute(commands.enqueue(keys, [where("normal"), running[1]]))
        for verb in (commands.retry, None):
            worker.execute(commands.join(keys, "w1", ttl=Milliseconds(60_000)))
            pulled = worker.execute(commands.pull(keys, "w1", 10, alone=True))
            assert isinstance(pulled, commands.Pulled)
            [entry] = pulled.entries
            running_id = wire.id_bytes(running[0])
            assert "cancelling" == cancelled(operator, keys, running_id)
            if verb:
                worker.execute(commands.settle(keys, [verb(entry, where="n+60000", job=entry.job)]))
            else:
                end = commands.cancelled(entry, running_id, keep_ms=60_000, record=b"cancelled")
                worker.execute(commands.settle(keys, [end]))
        assert (0, 0) == ((left := worker.execute(commands.depths(keys))).load, left.scheduled)


def test_what_the_page_allows_suffices_to_pause_and_purge_queues(fresh_server: Callable[..., Server]) -> None:
    server, keys = fresh_server(), DomainKeys("shop", "payment")
    with (
        Heijunka("shop", redis_url=url_for(server, "operators")) as app,
        Client(url_for(server, "workers")) as worker,
        driver(server.url) as looking,
    ):
        for letter in "nh":
            looking.xadd(keys.suspects, {"j": job()[1], "d": 1, "p": letter})
        worker.execute(commands.enqueue(keys, [where("normal"), job()[1], where("low"), job()[1]]))
        app.control.queues.pause("normal.payment")
        worker.plain("HGET", keys.limits, "paused")
        worker.execute(commands.join(keys, "w1", ttl=Milliseconds(60_000)))

        pulled = worker.execute(commands.pull(keys, "w1", 10, alone=True))

        assert isinstance(pulled, commands.Pulled)
        assert ["h"] == [entry.priority for entry in pulled.entries]
        assert 3 == app.control.queues.purge("payment")
        assert (False,) == tuple(each.paused for each in app.control.queues.resume("normal.payment"))


def test_what_the_page_allows_producers_suffices_for_leases(fresh_server: Callable[..., Server]) -> None:
    server, keys = fresh_server(), DomainKeys("shop", "payment")
    with driver(server.url) as looking:
        looking.hset(keys.limits, "rule", "9,9,1")
        looking.zadd(keys.leases, {"nover": 1})
    with Client(url_for(server, "producers")) as producer:
        for lease in ("na", "nb"):
            granted = producer.execute(commands.grant(keys, lease, ttl_ms=60_000, waits_ms=1))
            assert isinstance(granted, commands.Granted)
        assert commands.Gauge(2, 1, 9, 9) == producer.execute(commands.weigh(keys))
        assert "released" == producer.execute(commands.give_back(keys, "na", over_ms=1))


@pytest.mark.parametrize("without", ["xadd", "evalsha"])
def test_a_missing_right_is_told(without: str, fresh_server: Callable[..., Server]) -> None:
    keys = DomainKeys("shop", "payment")
    with (
        Client(url_for(fresh_server(), "producers", without=without)) as producer,
        pytest.raises(RedisDenied, match="lacks a permission"),
    ):
        producer.execute(commands.enqueue(keys, [where("normal"), job()[1]]))
