"""Everything one fault is tried on: a real server, a network in front of it, hosts, producers and the ledger.

What is told of a site at its end is told from outside: the ledger, and Redis's own commands.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import redis

from heijunka import Heijunka, commands, wire
from heijunka.broker.client import Client
from heijunka.commands import Depths
from heijunka.errors import HeijunkaError
from heijunka.keys import domain_keys
from tests.faults import processes
from tests.faults.accounts import Account, account
from tests.faults.figures import Row
from tests.faults.host import Host
from tests.faults.invariants import Remains, violations
from tests.faults.ledger import STARTED, Ledger, Line
from tests.faults.producer import Producer
from tests.faults.proxy import Proxy
from tests.faults.shop import Shop
from tests.fixtures.server import Driver, Server
from tests.fixtures.snapshot import consumers
from tests.fixtures.waiting import wait_until

DRAIN_S: Final = 60.0
NAMESPACE: Final = "faults"


class Site:
    """One server and all who use it.

    Parameters:
        server: started; the site closes it.
        folder: for logs and the ledger.
        chance: what is random in the faults.
        domain: the domain whose jobs count.

    Attributes:
        redis: a plain client that no fault is in the way of.
        proxy: the network between; used by who is given its address.
        produced: the operations.
        shop: enqueues directly; `through_proxy` through the network.
    """

    def __init__(self, server: Server, folder: Path, chance: random.Random, domain: str = "payment") -> None:
        self.server, self.chance, self.domain, self._folder = server, chance, domain, folder
        self.keys = domain_keys(NAMESPACE, domain)
        self.redis: Driver = server.driver()
        self.proxy = Proxy(server.socket, chance)
        self.produced = Producer()
        self.ledger = Ledger(folder / "ledger")
        self.hosts: list[Host] = []
        self._apps: list[Heijunka] = []
        self._client = Client(server.url)
        self.shop = self.opened(server.url)

    # -- who takes part -------------------------------------------------------------------------

    def opened(self, url: str, **settings: Any) -> Shop:
        """A producer's application."""
        app = Heijunka(NAMESPACE, redis_url=url, **settings)
        self._apps.append(app)
        return Shop(app)

    def host(self, *, count: int = 2, url: str = "", joined: bool = True, **options: Any) -> Host:
        """Start a supervisor, by default right at the server, and wait until its workers have joined."""
        mark = f"{self._folder.name}-{os.getpid()}-{len(self.hosts)}"
        host = Host(mark, self._folder, self._folder / "ledger")
        self.hosts.append(host)
        host.start(url or self.server.url, count=count, domain=self.domain, **options)
        if joined:
            self.staffed(host, count)
        return host

    def staffed(self, host: Host, count: int) -> None:
        """Wait until so many workers of a host live, and at least as many are registered."""
        try:
            wait_until(lambda: len(host.workers()) == count <= self.registered(), DRAIN_S)
        except AssertionError:
            raise AssertionError(f"{count} workers did not start\n{host.log()}") from None

    def registered(self) -> int:
        """Workers that Redis knows."""
        return int(self.redis.zcard(self.keys.workers))

    # -- waiting --------------------------------------------------------------------------------

    def started(self, op: int | None = None, *, after_ns: int = 0, times: int = 1) -> Line:
        """Wait until an operation (or any) was started so many times after a moment; the last of these starts."""
        wait_until(lambda: len(self.ledger.of(STARTED, op, after_ns=after_ns)) >= times, DRAIN_S)
        return self.ledger.of(STARTED, op, after_ns=after_ns)[times - 1]

    def said(self, host: Host, *words: str) -> None:
        """Wait until a host has logged one of these."""
        try:
            wait_until(lambda: any(word in host.log() for word in words), DRAIN_S)
        except AssertionError:
            raise AssertionError(f"{host.mark} never said {' or '.join(words)}\n{host.log()}") from None

    def ended(self, count: int) -> None:
        """Wait until so many attempts have come to their end."""
        wait_until(lambda: len(self.ledger.of("E")) >= count, DRAIN_S)

    def recovery_ms(self, since_ns: int, op: int | None = None) -> float:
        """Milliseconds from a moment until the operation, or any, is started again."""
        return (self.started(op, after_ns=since_ns).at_ns - since_ns) / 1e6

    def drain(self) -> None:
        """Wait until nothing is left to do."""
        with contextlib.suppress(AssertionError):  # what is left is told with everything else
            wait_until(self._drained, DRAIN_S)

    def _drained(self) -> bool:
        try:
            with self.redis.pipeline(transaction=True) as asking:
                for stream in self.keys.sources:
                    asking.xlen(stream)
                asking.zcard(self.keys.scheduled)
                return not any(asking.execute())
        except redis.RedisError:  # it may just be on its way back
            return False

    # -- the end --------------------------------------------------------------------------------

    def finish(self, row: Row, *, repeats: int, but: Collection[str] = (), drained: bool = True) -> Account:
        """Let everything that was accepted come to its end, stop everybody, and check what must hold.

        Parameters:
            row: takes the figures.
            repeats: attempts that the faults may have repeated.
            but: invariants that this fault is known to break.
            drained: whether the queue should be empty then; what is in it counts as queued otherwise.

        Raises:
            AssertionError: an invariant is violated; all of them are named.
        """
        wrong, books = self.verdict(repeats=repeats, but=but, drained=drained)
        row.books(books, bound=repeats)
        logs = "\n".join(f"-- {host.mark}\n{host.log()[-6_000:]}" for host in self.hosts)
        assert [] == wrong, f"{'; '.join(wrong)}\n{logs}"
        return books

    def verdict(self, *, repeats: int, but: Collection[str] = (), drained: bool = True) -> tuple[list[str], Account]:
        """What `finish` would raise, and the account. See there."""
        if drained:
            self.drain()
        held = self._held() if drained else {}
        strangers = consumers(self.redis, self.keys) - self._workers()
        self.stop()
        entries = {key: int(self.redis.xlen(key)) for key in self.keys.sources} if drained else {}
        remains = Remains(
            entries=entries,
            pending=held,
            consumers=tuple(strangers),
            processes=tuple(processes.command(pid) for host in self.hosts for pid in host.processes()),
            clients=self._clients(),
            boards=tuple(board for host in self.hosts for board in host.boards()),
        )
        books = self.account()
        return violations(books, self.depths(), remains, repeats=repeats, but=but), books

    def stop(self) -> None:
        """Tell every supervisor that lives to stop, and wait until everything of it has ended."""
        living = [host for host in self.hosts if host.process.poll() is None]
        for host in living:
            host.tell(signal.SIGTERM)
        for host in living:
            host.ended()
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not any(host.processes() for host in self.hosts), 5)
            wait_until(lambda: not self._clients(), 5)

    def account(self) -> Account:
        """What became of every operation."""
        produced = self.produced
        dead = [self._op(fields[b"j"]) for _, fields in self.redis.xrange(self.keys.dead)]
        queued = [self._op(fields[b"j"]) for stream in self.keys.sources for _, fields in self.redis.xrange(stream)]
        queued += [self._op(member[1:]) for member in self.redis.zrange(self.keys.scheduled, 0, -1)]
        return account(
            self.ledger.lines(),
            accepted=produced.accepted,
            unknown=produced.unknown,
            refused=produced.refused,
            dead=[op for op in dead if op is not None],
            queued=[op for op in queued if op is not None],
        )

    def depths(self) -> Depths:
        """What the domain says of itself."""
        return self._client.execute(commands.depths(self.keys))

    def close(self) -> None:
        """End everything."""
        for host in self.hosts:
            host.close()
        for app in self._apps:
            app.close()
        self.proxy.close()
        self._client.close()
        self.redis.close()
        self.ledger.close()
        self.server.close()

    def _op(self, blob: bytes) -> int | None:
        """Which operation a job is of; None for what is none of ours."""
        try:
            job = wire.decode_job(blob)
            args, _ = self.shop.app.named(job.task).signature.decode(job.args)
        except HeijunkaError:
            return None
        op: int = args[0]
        return op

    def _held(self) -> Mapping[str, int]:
        with contextlib.suppress(redis.ResponseError):  # no group where nobody ever pulled
            return {key: int(self.redis.xpending(key, "workers")["pending"]) for key in self.keys.sources}
        return {}

    def _workers(self) -> set[str]:
        return {worker.decode() for worker in self.redis.zrange(self.keys.workers, 0, -1)}

    def _clients(self) -> tuple[str, ...]:
        names = (client["name"] for client in self.redis.client_list())
        roles = ("hj:worker", "hj:supervisor", "hj:keeper", "hj:promoter")
        return tuple(name for name in names if name.startswith(roles))


def now_ns() -> int:
    """Now, by the clock of the ledger."""
    return time.monotonic_ns()
