"""The supervisor: parent of all worker processes of a host.

It never imports the application; fork servers do. Its main thread selects on them, on signals and on the
clock, and never waits for Redis: that is for its keeper and its promoter. Whatever ends it, its workers
end too.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import re
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

import msgspec

from heijunka.app.pooling import PoolTerms
from heijunka.broker.client import Client
from heijunka.commands import Report
from heijunka.config import did_you_mean
from heijunka.control.health import require_fit
from heijunka.counted import counted
from heijunka.errors import HeijunkaError
from heijunka.keys import NamespaceKeys, domain_keys
from heijunka.server import STATE_DIRECTORY, EmbeddedServer, Upkeep
from heijunka.worker import mortality
from heijunka.worker.crash import ending
from heijunka.worker.crew import UNFINISHED, Crew
from heijunka.worker.estate import Estates, owner_of
from heijunka.worker.eviction import Eviction
from heijunka.worker.follower import REPORT_EVERY_S, Follower
from heijunka.worker.keeper import Keeper, Terms
from heijunka.worker.launcher import Launcher
from heijunka.worker.link import Failed, Ready, Start
from heijunka.worker.nursery import Nursery
from heijunka.worker.order import EXIT_INTERRUPTED, EXIT_NOT_FOUND, EXIT_OK, EXIT_UNREACHABLE, Order
from heijunka.worker.promoter import Promoter
from heijunka.worker.runtime import RuntimeDir
from heijunka.worker.signals import Signals
from heijunka.worker.trimmer import Bounds, Trimmer

log: Final = logging.getLogger("heijunka.worker")

LOOK_EVERY_S: Final = 0.1
FAREWELL_S: Final = 5.0
"""How long it stays, when its last worker is gone, to give back what that one held."""
FAREWELL_AT_ONCE_S: Final = 1.0
CLOSE_S: Final = 2.0

_SIGNALS: Final = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP, signal.SIGCONT, signal.SIGTTIN, signal.SIGCHLD,
)  # fmt: skip


_ANY_SIZE: Final = PoolTerms(2, 50, 2)
"""Of a pool that nothing was said of."""


class Companion(Protocol):
    """A thread that lives as long as the supervisor, beside its work."""

    def start(self) -> None:
        """Start the thread."""

    def stop(self) -> None:
        """Tell the thread to end."""

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; whether it has within `timeout_s`."""
        ...


class Supervisor:
    """Runs the workers of one application on this host.

    Parameters:
        app_path: `package.module:attribute` of the application.
        domains: whose jobs to run; None for all that the application declares.
        processes: workers per domain, whatever the leader finds right; None to begin with what the settings say and
            to follow the leader from there.
        slots: attempts each runs at a time; None for what the settings say.
        burst: whether to end when there is nothing to do.
        allow_eviction: whether to run on a Redis that may delete jobs when it is full.
        coordinator: makes who would lead from Redis's URL and the namespace; None for nobody.
        overrides: settings given on the command line, by name.
        functions: other ways to load the application, to be a worker and to log (`load`, `run`, `logs`: see `Start`).

    Example:
        >>> Supervisor("shop.tasks:app", processes=4).run()  # doctest: +SKIP
        0
    """

    def __init__(
        self,
        app_path: str,
        *,
        domains: Sequence[str] | None = None,
        processes: int | None = None,
        slots: int | None = None,
        burst: bool = False,
        allow_eviction: bool = False,
        coordinator: Callable[..., Companion] | None = None,
        overrides: Mapping[str, Any] | None = None,
        functions: Mapping[str, str] | None = None,
    ) -> None:
        self._app_path = app_path
        self._start = Start(app_path, dict(overrides or {}), **(functions or {}))
        self._order = Order(tuple(domains) if domains else None, processes, slots, burst, allow_eviction)
        self._name = f"{host_name()}-{os.urandom(4).hex()}"
        self._buried: SimpleQueue[str] = SimpleQueue()
        self._cancelled: SimpleQueue[tuple[str, Mapping[bytes, int]]] = SimpleQueue()
        self._targets: SimpleQueue[Mapping[str, int]] = SimpleQueue()
        self._called = threading.Event()
        self._report_at = 0.0
        self._coordinator, self._companions = coordinator, list[Companion]()
        self._crew: Crew | None = None
        self._upkeep: Upkeep | None = None
        self._terms: Ready
        self._quiet_asked = self._quiet = False
        self._leave_by: float | None = None
        self._stopping = self._at_once = False
        self._code: int | None = None

    def run(self) -> int:
        """Run workers until told to stop. In the main thread; it reaps every child of this process.

        Returns:
            0 when all is done, 2 when the application cannot be loaded, 3 when it has no such domain, 69 when
            Redis cannot be reached or will not do at the start, 75 when work was left unfinished, 130 after a
            second interrupt.
        """
        self._adopting = mortality.adopt_orphans()
        with (
            RuntimeDir(self._name) as self._runtime,
            Signals(_SIGNALS) as self._signals,
            selectors.DefaultSelector() as self._selector,
        ):
            self._selector.register(self._signals, selectors.EVENT_READ)
            log.info("%s: loading %s", self._name, self._app_path)
            self._nursery = Nursery(self._start, self._selector)
            self._nursery.load()
            try:
                while self._code is None:
                    self._turn()
            finally:
                self._close()
        return self._code

    def _turn(self) -> None:
        for key, _ in self._selector.select(LOOK_EVERY_S):
            if key.fileobj is self._signals:
                for number in self._signals.received():
                    self._obey(number)
            elif key.data in self._nursery:  # it may have been let go a moment ago
                self._hear(key.data)
        now = time.monotonic()
        self._nursery.load_if_due(now)
        if self._crew is not None:
            self._attend(self._crew, now)

    def _attend(self, crew: Crew, now: float) -> None:
        try:
            while True:
                crew.buried(self._buried.get_nowait())
        except Empty:
            pass
        with contextlib.suppress(Empty):
            while True:
                crew.cancel(*self._cancelled.get_nowait(), now)
        with contextlib.suppress(Empty):
            while True:
                crew.adjust(self._targets.get_nowait())
                self._report_at = 0.0
        crew.tick(now)
        if self._called.is_set():
            self._called.clear()
            crew.look()
        if now >= self._report_at:
            self._follower.note(self._reported(crew))
            self._report_at = now + REPORT_EVERY_S / 2
        self._keeper.roster = crew.roster()
        self._set_quiet(crew)
        self._nursery.release_idle(crew.parents())
        if crew.finished:
            self._leave(crew, now)

    def _reported(self, crew: Crew) -> Report:
        terms, fixed = self._terms, self._fixed
        pools = {
            domain: msgspec.structs.replace(pool, least=size.least, most=size.most, fixed=fixed)
            for domain, pool in crew.pools().items()
            for size in (terms.pools.get(domain, _ANY_SIZE),)
            if crew.serves(domain)
        }
        return Report(self._name, os.getpid(), terms.host_max_workers, pools, tuple(terms.domains), terms.scaling)

    def _leave(self, crew: Crew, now: float) -> None:
        if self._leave_by is None:
            self._leave_by = now + (FAREWELL_AT_ONCE_S if self._at_once else FAREWELL_S)
        if crew.mourned and now < self._leave_by:
            return
        if crew.mourned:
            log.error("could not report %s; leases end by themselves", counted(crew.mourned, "dead worker"))
        if self._at_once:
            self._code = EXIT_INTERRUPTED
        else:
            self._code = UNFINISHED if crew.unfinished or crew.mourned else EXIT_OK

    # -- signals --------------------------------------------------------------------------------

    def _obey(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD:
            self._nursery.reap(self._orphan_ended)
        elif number in {signal.SIGTERM, signal.SIGINT}:
            self._stop(at_once=number == signal.SIGINT and self._stopping)
        elif number == signal.SIGHUP and not self._stopping and self._nursery.coming is None:
            log.info("%s: loading %s anew", self._name, self._app_path)
            self._nursery.load()
        elif number in {signal.SIGTSTP, signal.SIGCONT}:
            self._quiet_asked = number == signal.SIGTSTP
        elif number == signal.SIGTTIN:
            faulthandler.dump_traceback(2, all_threads=True)
            if self._crew is not None:
                self._crew.show_stacks()

    def _stop(self, *, at_once: bool) -> None:
        for companion in self._companions:  # who leads hands over at once, and nobody counts on us any more
            companion.stop()
        if self._crew is None:
            self._code = EXIT_INTERRUPTED if at_once else EXIT_OK
        elif at_once and not self._at_once:
            log.warning("%s: stopping at once", self._name)
            self._at_once, self._leave_by = True, None
            self._crew.stop_at_once()
        elif not self._stopping:
            log.info("%s: stopping, letting %s finish first", self._name, counted(self._crew.size, "worker"))
            self._crew.stop(time.monotonic())
        self._stopping = True

    def _set_quiet(self, crew: Crew) -> None:
        reasons = []
        if self._keeper.is_cut_off():
            reasons.append("their leases are not renewed")
        if self._eviction.policy:
            reasons.append(f"maxmemory-policy is {self._eviction.policy}")
        quiet = self._quiet_asked or bool(reasons)
        if quiet == self._quiet or self._stopping:
            return
        self._quiet = quiet
        if quiet:
            log.warning("%s: workers stop pulling%s", self._name, f": {' and '.join(reasons)}" if reasons else "")
            crew.quiet()
        else:
            log.warning("%s: workers pull again", self._name)
            crew.resume()

    def _orphan_ended(self, pid: int, code: int) -> None:
        if self._crew is not None:
            self._crew.reaped(pid, code)

    # -- fork servers ---------------------------------------------------------------------------

    def _hear(self, launcher: Launcher) -> None:
        message = launcher.receive()
        if message is None:
            self._lost(launcher)
        elif isinstance(message, Failed):
            self._refused(launcher, message)
        elif isinstance(message, Ready):
            self._loaded(launcher, message)
        elif self._crew is not None:
            self._crew.hear(message)

    def _loaded(self, launcher: Launcher, ready: Ready) -> None:
        if self._stopping:
            return
        if ready.threads:
            log.warning(
                "importing %s starts threads that workers will not have: %s; start them in a lifespan hook",
                self._app_path, ", ".join(ready.threads),
            )  # fmt: skip
        sizes = self._sizes(ready)
        if isinstance(sizes, Failed):
            self._refused(launcher, sizes)
            return
        if self._crew is None:
            failed = self._open(ready, sizes)
            if failed is not None:
                self._refused(launcher, failed)
                return
        elif (ready.namespace, ready.redis_url) != (self._terms.namespace, self._terms.redis_url):
            self._refused(launcher, Failed("the namespace or Redis's URL changed", "restart the worker"))
            return
        assert self._crew is not None  # noqa: S101 - _open made it
        ready = msgspec.structs.replace(ready, lease_ms=self._terms.lease_ms)  # the keeper renews by the first one
        self._nursery.promote(launcher)
        self._crew.staff(launcher, ready, sizes, self._order.slots or ready.slots)
        self._keeper.serve(sizes)
        self._promoter.serve(domain_keys(ready.namespace, domain) for domain in sizes)
        bounds = Bounds(ready.dead_max_age_ms, ready.dead_max_count)
        self._trimmer.serve((domain_keys(ready.namespace, domain) for domain in sizes), bounds)
        log.info(
            "%s serves %s, %s a process", self._name, _shown(sizes), counted(self._order.slots or ready.slots, "slot")
        )

    def _sizes(self, ready: Ready) -> dict[str, int] | Failed:
        for domain in self._order.domains or ():
            if domain not in ready.domains:
                hint = did_you_mean(domain, ready.domains) or f"its domains are {', '.join(ready.domains)}"
                return Failed(f"{self._app_path} has no domain {domain!r}", hint, code=EXIT_NOT_FOUND)
        asked = self._order.processes
        return {
            domain: ready.pools.get(domain, _ANY_SIZE).initial if asked is None else asked
            for domain in self._order.domains or ready.domains
        }

    def _open(self, ready: Ready, sizes: Mapping[str, int]) -> Failed | None:
        """Reach Redis and start everything that is started once."""
        try:
            if ready.embedded:
                place = {**os.environ, STATE_DIRECTORY: ready.state_dir}
                self._upkeep = Upkeep(EmbeddedServer(embedded=ready.embedded, environ=place))
            client = Client(ready.redis_url, role="supervisor", timeout_s=ready.redis_timeout_ms / 1_000)
            with client:
                keys = domain_keys(ready.namespace, next(iter(sizes)))
                require_fit(client, keys, allow_eviction=self._order.allow_eviction)
        except HeijunkaError as error:
            return Failed(str(error), error.hint, code=EXIT_UNREACHABLE)
        self._terms = ready
        patience_s = min(ready.redis_timeout_ms, ready.lease_ms / 3) / 1_000
        channel = Client(ready.redis_url, role="keeper", timeout_s=patience_s).channel()
        terms = Terms(ready.namespace, ready.lease_ms, ready.max_deliveries, ready.keep_failure_ms)
        away = self._upkeep.bring_back if self._upkeep else None
        owner = owner_of(ready.namespace, ready.redis_url)
        self._runtime.declare(owner)
        estates = Estates(self._runtime.root, owner)
        self._eviction = Eviction(changed=self._signals.wake)
        watched = None if self._order.allow_eviction else self._eviction
        self._keeper = Keeper(
            channel, terms, sizes, buried=self._note_buried, away=away, estates=estates, eviction=watched
        )
        promoting = Client(ready.redis_url, role="promoter", timeout_s=ready.redis_timeout_ms / 1_000)
        self._promoter = Promoter(promoting, (), away=away, cancelled=self._note_cancelled)
        self._trimmer = Trimmer(Client(ready.redis_url, role="trimmer", timeout_s=ready.redis_timeout_ms / 1_000))
        self._crew = Crew(self._name, self._runtime, burst=self._order.burst, bury=self._keeper.bury)
        timeout_s = ready.redis_timeout_ms / 1_000
        namespace = NamespaceKeys(ready.namespace)
        following = Client(ready.redis_url, role="follower", timeout_s=timeout_s)
        self._follower = Follower(
            following, namespace, self._name, told=self._note_targets, called=self._note_call, away=away
        )
        self._keeper.start()
        self._promoter.start()
        self._companions.append(self._follower)
        if self._coordinator is not None and not self._order.burst:
            candidate = self._coordinator(
                ready.redis_url,
                ready.namespace,
                name=self._name,
                timeout_s=timeout_s,
                away=away,
                bursts=ready.bursts,
                total_workers=ready.total_workers,
            )
            self._companions.append(candidate)
        for companion in self._companions:
            companion.start()
        return None

    def _note_buried(self, worker: str) -> None:
        self._buried.put(worker)
        self._signals.wake()

    def _note_cancelled(self, domain: str, marked: Mapping[bytes, int]) -> None:
        self._cancelled.put((domain, marked))
        self._signals.wake()

    def _note_targets(self, wanted: Mapping[str, int]) -> None:
        if not self._fixed:
            self._targets.put(wanted)
            self._signals.wake()

    def _note_call(self) -> None:
        self._called.set()
        self._signals.wake()

    @property
    def _fixed(self) -> bool:
        """Whether it keeps its number of workers whatever the leader finds right."""
        return self._order.processes is not None or self._order.burst

    def _refused(self, launcher: Launcher, failed: Failed) -> None:
        """A fork server is of no use; with an older one at work we go on."""
        self._nursery.release(launcher)
        if failed.traceback:
            log.error("%s", failed.traceback.rstrip())
        told = {"at_start": self._crew is None}  # nothing runs yet: the command line shows it as its own error
        log.error("%s", failed.error, extra=told)
        if failed.hint:
            log.error("hint: %s", failed.hint, extra=told)
        if self._crew is None:
            self._code = failed.code
        elif self._nursery.current is None and not self._stopping:
            self._nursery.load_later()
        else:
            log.error("%s: going on with what was loaded before", self._name)

    def _lost(self, launcher: Launcher) -> None:
        """A fork server died, and its workers with it."""
        was_coming, was_current = launcher is self._nursery.coming, launcher is self._nursery.current
        launcher.kill()
        how = ending(launcher.wait())
        self._nursery.release(launcher)
        if was_coming:
            self._refused(launcher, Failed(f"the process that loaded {self._app_path} {how}"))
            return
        log.error("%s: the fork server (process %d) %s", self._name, launcher.pid, how)
        if self._crew is not None:
            self._crew.orphaned(launcher, adopted=self._adopting)
        self._nursery.reap(self._orphan_ended)
        if was_current and self._nursery.coming is None and not self._stopping:
            self._nursery.load_later()

    # -- the end --------------------------------------------------------------------------------

    def _close(self) -> None:
        if self._crew is not None:
            self._promoter.stop()
            self._trimmer.stop()
            self._keeper.stop()
        for companion in self._companions:
            companion.stop()
        self._nursery.release_all()
        deadline = time.monotonic() + CLOSE_S
        self._nursery.reap(self._orphan_ended)
        while not self._nursery.is_empty and time.monotonic() < deadline:
            self._selector.select(LOOK_EVERY_S)
            self._signals.received()
            self._nursery.reap(self._orphan_ended)
        self._nursery.kill()
        if self._crew is not None:
            self._keeper.join(CLOSE_S)
        for companion in self._companions:
            companion.join(CLOSE_S)
        if self._upkeep is not None:
            with contextlib.suppress(HeijunkaError, OSError):  # whoever uses it next ends it
                self._upkeep.end()


def host_name() -> str:
    """This host's name, as it may stand in an id."""
    return re.sub(r"[^a-z0-9_.-]", "-", socket.gethostname().lower())[:40] or "host"


def _shown(sizes: Mapping[str, int]) -> str:
    """Which pools are served, and how large they are."""
    if len(set(sizes.values())) == 1:
        return f"{', '.join(sizes)} with {counted(next(iter(sizes.values())), 'process')} each"
    return ", ".join(f"{domain} with {counted(size, 'process')}" for domain, size in sizes.items())
