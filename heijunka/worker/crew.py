"""Keep the pools staffed: start workers, watch their boards, replace those that die.

Told by messages of the fork servers and by the clock; it asks Redis for nothing. Every worker that was
ever asked for ends in exactly one `Death` handed to the keeper, and its board stays until the keeper has
given back what it shows.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from heijunka.clock import spell_ms
from heijunka.commands import PoolReport
from heijunka.counted import counted
from heijunka.worker import crash, mortality
from heijunka.worker.board import Board, Running
from heijunka.worker.books import Books
from heijunka.worker.crash import Death, Reason
from heijunka.worker.lastwords import last_words
from heijunka.worker.launcher import Launcher
from heijunka.worker.link import Died, Fork, Forked, Message, Ready, Tell
from heijunka.worker.marked import LOOK_FOR_NEWS, Told
from heijunka.worker.pool import LONGEST_PAUSE_AFTER_WORK_S, Place, Worker
from heijunka.worker.recycling import Waistline
from heijunka.worker.runtime import RuntimeDir
from heijunka.worker.spec import WorkerSpec
from heijunka.worker.stacks import Stacks, ran_for
from heijunka.worker.stall import Stalls

log: Final = logging.getLogger("heijunka.worker")

UNFINISHED: Final = 75
MIB: Final = 1 << 20
STOP_MARGIN_S: Final = 2.0
"""How much longer than its grace a worker may take to stop before it is killed."""


class Crew:
    """The workers of one supervisor.

    Parameters:
        name: of the supervisor; its workers' ids begin with it.
        runtime: where boards are kept.
        burst: whether workers end when there is nothing to do, and are not followed then.
        bury: told of every death.

    Attributes:
        unfinished: whether work was left behind while stopping.
    """

    def __init__(self, name: str, runtime: RuntimeDir, *, burst: bool, bury: Callable[[Death], None]) -> None:
        self._name, self._runtime, self._burst, self._bury = name, runtime, burst, bury
        self._pools: dict[str, list[Place]] = {}
        self._workers: dict[str, tuple[Place, Worker]] = {}
        self._mourned: dict[str, Board] = {}
        self._stacks = Stacks(self._tell)
        self._stalls = Stalls(0, "alarm")
        self._launcher: Launcher | None = None
        self._waistline = Waistline(0)
        self._quiet = self._stopping = False
        self._told: dict[str, Told] = {}
        self._served = frozenset[str]()
        self._wanted: dict[str, int] = {}
        self._books: dict[str, Books] = {}
        self.unfinished = False

    # -- what the supervisor asks ---------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many workers live."""
        return len(self._workers)

    @property
    def mourned(self) -> int:
        """How many dead workers' jobs are not given back yet."""
        return len(self._mourned)

    @property
    def finished(self) -> bool:
        """Whether no worker lives and none is to follow."""
        nobody_follows = self._burst and all(place.closed for place in self._places())
        return not self._workers and (self._stopping or nobody_follows)

    def roster(self) -> Mapping[str, Sequence[str]]:
        """Ids of the living workers by domain."""
        return {
            domain: tuple(name for name, (_, worker) in self._workers.items() if worker.spec.domain == domain)
            for domain in self._pools
        }

    def serves(self, domain: str) -> bool:
        """Whether workers of this pool are started here."""
        return domain in self._served

    def pools(self) -> dict[str, PoolReport]:
        """What there is of each pool, and what it has done."""
        now_ns = time.monotonic_ns()
        return {
            domain: self._books[domain].report(
                [worker for _, worker in self._workers.values() if worker.spec.domain == domain], self._slots, now_ns
            )
            for domain in self._pools
        }

    def parents(self) -> set[Launcher]:
        """The fork servers that have living workers."""
        return {worker.launcher for _, worker in self._workers.values()}

    # -- what the supervisor says ---------------------------------------------------------------

    def staff(self, launcher: Launcher, ready: Ready, sizes: Mapping[str, int], slots: int) -> None:
        """From now on workers come from `launcher`; those of another one are replaced one at a time.

        Parameters:
            launcher: a fork server that is ready.
            ready: what its workers are told.
            sizes: processes by domain.
            slots: of each worker.
        """
        self._launcher, self._ready, self._slots = launcher, ready, slots
        self._waistline = Waistline(ready.max_memory)
        self._served = frozenset(sizes)
        self._stalls = Stalls(ready.stalled_after_ms, ready.on_stall)
        for domain in {*self._pools, *sizes}:
            wanted = self._wanted.get(domain, sizes[domain]) if domain in sizes else 0
            surplus = self._resize(domain, wanted)
            self._tell_to_stop([worker for worker in surplus if not worker.stopping], time.monotonic())

    def adjust(self, sizes: Mapping[str, int]) -> None:
        """Let pools grow and shrink: whoever goes pulls no more and finishes what it runs, however long that takes.

        Parameters:
            sizes: processes by domain; other pools stay as they are.
        """
        for domain, size in sizes.items():
            if domain in self._served and not self._stopping:
                before = sum(not place.closed for place in self._pools[domain])
                self._wanted[domain] = size
                for worker in self._resize(domain, size):
                    if not worker.ordered and not worker.board.retirement_wished:
                        worker.board.wish_retirement()
                        self._tell([worker], signal.SIGCONT)
                if size != before:
                    log.info("%s: %s has %s here, before %d", self._name, domain, counted(size, "worker"), before)

    def hear(self, message: Message) -> None:
        """What a fork server says of a worker."""
        if isinstance(message, Forked) and message.worker in self._workers:
            worker = self._workers[message.worker][1]
            worker.pid = message.pid
            log.info("%s started as process %d after %s", worker.spec.id, message.pid, _age(worker))
        elif isinstance(message, Died):
            if message.error:
                log.error("%s cannot be forked: %s", message.worker, message.error)
            self._died(message.worker, message.code)

    def orphaned(self, launcher: Launcher, *, adopted: bool) -> None:
        """A fork server died; its workers are dying.

        Parameters:
            launcher: it.
            adopted: whether its workers are our children now, so that we shall see each one's end.
        """
        if self._launcher is launcher:
            self._launcher = None
        for name, (_, worker) in list(self._workers.items()):
            if worker.launcher is launcher:
                if worker.pid:
                    mortality.kill_group(worker.pid)
                if not (worker.pid and adopted):
                    self._died(name, -signal.SIGKILL)

    def reaped(self, pid: int, code: int) -> None:
        """A child that we adopted ended."""
        for name, (_, worker) in list(self._workers.items()):
            if worker.pid == pid:
                mortality.kill_group(pid)
                mortality.end_strays(name, pid)
                self._died(name, code)

    def buried(self, name: str) -> None:
        """Nothing is left of what a dead worker held."""
        board = self._mourned.pop(name)
        board.close()
        self._runtime.discard(name)

    def cancel(self, domain: str, marked: Mapping[bytes, int], now: float) -> None:
        """Jobs were cancelled while workers held them: make the workers look, and give them their grace.

        Parameters:
            domain: of the jobs.
            marked: all its jobs that are to end, those that were told before included, and since when (ms, by
                Redis's clock).
            now: by the monotonic clock, in seconds.
        """
        self._told.setdefault(domain, Told()).note(marked, now)
        self._tell((worker for worker in self._living() if worker.spec.domain == domain), LOOK_FOR_NEWS)

    def look(self) -> None:
        """Make workers look at what changed in Redis: pauses and cancelled jobs."""
        self._tell(self._living(), LOOK_FOR_NEWS)

    def quiet(self) -> None:
        """Make workers stop pulling. None is started meanwhile."""
        self._quiet = True
        self._tell_wish(self._living())

    def resume(self) -> None:
        """Make workers pull again."""
        self._quiet = False
        self._tell_wish(self._living())

    def show_stacks(self) -> None:
        """Make workers print what they are doing, one at a tick: their lines would mix."""
        self._stacks.ask(self._living())

    def stop(self, now: float) -> None:
        """Make workers end: they finish what runs within their grace."""
        self._stopping = True
        self._tell_to_stop(self._living(), now)

    def stop_at_once(self) -> None:
        """Kill every worker."""
        self._stopping = True
        for worker in self._living():
            self._kill(worker, "stop")

    def tick(self, now: float) -> None:
        """Look at the boards, and do what is due.

        Parameters:
            now: by the monotonic clock, in seconds.
        """
        now_ns = time.monotonic_ns()
        self._stacks.tick(lambda worker: worker.spec.id in self._workers, now_ns)
        self._waistline.tick(now)
        for place, worker in list(self._workers.values()):
            self._look(worker, now, now_ns)
            self._recycle(place, worker, now)
        if self._stopping or self._quiet or self._launcher is None:
            return
        if self._burst and self._mourned:  # who came now would find nothing, and say that all is done
            return
        for place in self._places():
            if place.worker is None and not place.closed and place.start_at <= now:
                self._start(place, now)
        self._roll(now)

    # -- one worker -----------------------------------------------------------------------------

    def _start(self, place: Place, now: float) -> None:
        launcher, ready = self._launcher, self._ready
        assert launcher is not None  # noqa: S101 - tick looked
        name = place.next_id()
        path = str(self._runtime.board(name))
        spec = WorkerSpec(
            id=name,
            domain=place.domain,
            namespace=ready.namespace,
            redis_url=ready.redis_url,
            slots=self._slots,
            board=path,
            lease_ms=ready.lease_ms,
            poll_ms=ready.poll_ms,
            grace_ms=ready.grace_ms,
            pull_size=ready.pull_size,
            max_jobs=ready.max_jobs,
            burst=self._burst,
        )
        try:
            board = Board.create(path, self._slots)
        except OSError as error:
            log.error("%s cannot be started: no board: %s", name, error)
            place.start_at = now + LONGEST_PAUSE_AFTER_WORK_S
            return
        place.worker = Worker(spec, board, launcher, now)
        self._workers[name] = place, place.worker
        launcher.link.send(Fork(spec))  # if it is gone, the end of its link says so

    def _look(self, worker: Worker, now: float, now_ns: int) -> None:
        if not worker.joined and worker.board.joined:
            worker.joined, worker.joined_ns = True, now_ns
            if self._quiet:  # it may not have been listening when the others were told
                self._tell_wish([worker])
            elif worker.board.retirement_wished:
                self._tell([worker], signal.SIGCONT)
        if worker.killed_for is not None:
            return
        if worker.kill_at is not None and now >= worker.kill_at:
            log.warning("%s did not stop in time", worker.spec.id)
            self._kill(worker, "stop")
            return
        running = worker.board.running()
        if overdue := [attempt for attempt in running if attempt.overdue(now_ns)]:
            what, limit = worker.board.describe(overdue[0]), spell_ms(overdue[0].limit_ms)
            log.warning("%s: %s outlived its limit of %s", worker.spec.id, what, limit)
            self._kill(worker, "timeout")
        elif late := self._went_on(worker, running, now):
            log.warning("%s: %s goes on although it was cancelled", worker.spec.id, worker.board.describe(late[0]))
            self._kill(worker, "cancel")
        elif self._stalls.condemned(running, now_ns):
            log.warning("%s: killed for an attempt that stalled", worker.spec.id)
            self._kill(worker, "stall")
        for attempt in self._stalls.news(worker.spec.id, running, now_ns):
            what = ran_for(worker.board, attempt, now_ns)
            log.warning("%s stalled? slot %d %s, without a timeout", worker.spec.id, attempt.slot, what)
            self._stacks.ask([worker])

    def _recycle(self, place: Place, worker: Worker, now: float) -> None:
        """Let a worker go whose time has come, and its place to a successor once it pulls no more."""
        board = worker.board
        if place.worker is worker and board.retiring and not worker.stopping:
            place.hand_over(now)
        elif not board.retirement_wished and board.ended and (size := self._waistline.outgrown(board.pid)):
            log.info("%s has %.0f MiB in memory after %s", worker.spec.id, size / MIB, counted(board.ended, "job"))
            board.wish_retirement()
            self._tell([worker], signal.SIGCONT)

    def _went_on(self, worker: Worker, running: Sequence[Running], now: float) -> list[Running]:
        """What of that goes on although its job was cancelled, for longer than it may."""
        told = self._told.get(worker.spec.domain)
        return [] if told is None else told.late(running, now, grace_s=self._ready.cancel_grace_ms / 1_000)

    def _kill(self, worker: Worker, why: Reason) -> None:
        worker.killed_for = why
        self._tell([worker], signal.SIGKILL, group=True)

    def _died(self, name: str, code: int) -> None:
        if name not in self._workers:
            return
        place, worker = self._workers.pop(name)
        running, domain = worker.board.running(), worker.spec.domain
        now, now_ns = time.monotonic(), time.monotonic_ns()
        self._mourned[name] = worker.board
        self._books[domain].close(worker, time.monotonic_ns())
        self._stalls.forget(name)
        words = last_words(self._runtime.words(name))
        if words.dump:
            log.error("%s crashed here:\n%s", name, words.dump)
        death = crash.of(
            domain,
            name,
            code,
            running=running,
            killed_for=worker.killed_for,
            now_ns=now_ns,
            cancelled=self._went_on(worker, running, now),
            stalled=self._stalls.condemned(running, now_ns),
            words=words,
        )
        self._bury(death)
        if self._stopping and (code == UNFINISHED or running):
            self.unfinished = True
        if place.worker is not worker:  # it has retired
            return
        if self._burst and code == 0 and not worker.board.retiring:
            place.closed = True
        worked = bool(running) or worker.board.ended > 0
        pause = place.vacate(now, worked=worked, ordered=worker.ordered)
        if pause and not self._stopping:
            log.warning("%s died %s after its start, the next one waits %s", name, _age(worker), spell_ms(pause * 1e3))

    # -- all of them ----------------------------------------------------------------------------

    def _resize(self, domain: str, size: int) -> list[Worker]:
        """Open and close places; the workers that are too many."""
        places = self._pools.setdefault(domain, [])
        self._books.setdefault(domain, Books())
        places += (Place(self._name, domain, number) for number in range(len(places) + 1, size + 1))
        for place in places:
            place.closed = place.number > size
        return [place.worker for place in places[size:] if place.worker is not None]

    def _roll(self, now: float) -> None:
        """Replace workers of older fork servers, each only when everyone else is up."""
        outdated = []
        for place in self._places():
            worker = place.worker
            if worker is not None and worker.launcher is not self._launcher:
                outdated.append(worker)
            elif not place.closed and (worker is None or not worker.joined):
                return
        if outdated and not any(worker.stopping for worker in outdated):
            self._tell_to_stop(outdated[:1], now)

    def _tell_to_stop(self, workers: Sequence[Worker], now: float) -> None:
        for worker in workers:
            worker.stopping = True
            worker.kill_at = now + worker.spec.grace_ms / 1_000 + STOP_MARGIN_S
        self._tell(workers, signal.SIGTERM)

    def _tell_wish(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.board.wish_quiet(quiet=self._quiet)
        self._tell(workers, signal.SIGTSTP if self._quiet else signal.SIGCONT)

    def _tell(self, workers: Iterable[Worker], what: signal.Signals, *, group: bool = False) -> None:
        told: dict[Launcher, list[str]] = {}
        for worker in workers:
            told.setdefault(worker.launcher, []).append(worker.spec.id)
        for launcher, names in told.items():
            launcher.link.send(Tell(tuple(names), what, group))

    def _living(self) -> list[Worker]:
        return [worker for _, worker in self._workers.values()]

    def _places(self) -> Iterator[Place]:
        for places in self._pools.values():
            yield from places


def _age(worker: Worker) -> str:
    return spell_ms((time.monotonic() - worker.born) * 1_000)
