"""The fork server: import the application once, then be forked for every worker.

It stays single-threaded and does nothing but fork, reap and pass signals on, so a fork is cheap and safe
at any moment. It knows that its supervisor died when their link ends; then it kills its workers, with
everything they started, and ends. The kernel kills workers whose fork server died.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NoReturn

from heijunka.app.pooling import burst_rules, scaling_rules
from heijunka.broker import scripts
from heijunka.errors import AppError, BrokerError, DefinitionError, HeijunkaError, ServerError
from heijunka.server import state_directory
from heijunka.worker import lastwords, mortality
from heijunka.worker.board import Board
from heijunka.worker.link import Died, Failed, Fork, Forked, Link, Ready, Start, Tell
from heijunka.worker.runtime import words_of
from heijunka.worker.signals import Signals
from heijunka.worker.spec import WorkerSpec

RunWorker = Callable[[Any, WorkerSpec, Board], int]

CANNOT_FORK: Final = os.EX_OSERR
CRASHED: Final = os.EX_SOFTWARE

SCRIPTS: Final = ("held", "join", "leave", "marks", "pull", "settle")
"""What workers call."""

_TO_OTHERS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""What a service manager or a terminal may send to a whole group; the supervisor decides for us."""

_CAN_LOOK_FIRST: Final = hasattr(os, "waitid")  # not on macOS
_TRACEBACK_CHARS: Final = 16_000


class ForkServer:
    """Forks workers for one supervisor.

    Parameters:
        link: to the supervisor.
        app: the application, loaded.
        run: what a worker process runs.
    """

    def __init__(self, link: Link, app: Any, run: RunWorker) -> None:
        self._link, self._app, self._run = link, app, run
        self._workers: dict[int, str] = {}

    def serve(self) -> None:
        """Do what the supervisor says until it is gone."""
        for name in SCRIPTS:  # so that no worker needs a file for them, whatever its tasks do to it
            scripts.load(name)
        gc.collect()
        gc.freeze()  # what is loaded by now is never written to by the collector, and so stays shared
        with Signals({signal.SIGCHLD}, ignored=_TO_OTHERS) as self._signals:
            mortality.live_on()  # from here on the end of the link tells us
            events = select.poll()
            events.register(self._link, select.POLLIN)
            events.register(self._signals, select.POLLIN)
            while self._attend({fd for fd, _ in events.poll()}):
                pass
            for pid in self._workers:
                mortality.kill_group(pid)
            self._reap(wait=True)
            for pid in mortality.descendants(os.getpid()):  # what workers left to us
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _attend(self, ready: set[int]) -> bool:
        if self._signals.fileno() in ready:
            self._signals.received()
            self._reap()
        if self._link.fileno() not in ready:
            return True
        message = self._link.receive()
        if isinstance(message, Fork):
            self._fork(message.spec)
        elif isinstance(message, Tell):
            self._tell(message)
        return message is not None

    def _tell(self, message: Tell) -> None:
        for pid, worker in self._workers.items():
            if worker not in message.workers:
                continue
            if message.group:
                mortality.kill_group(pid, signal.Signals(message.signal))
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, message.signal)

    # -- birth ----------------------------------------------------------------------------------

    def _fork(self, spec: WorkerSpec) -> None:
        # Signals wait until the child has its own handlers, lest it forgets one that was meant for it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_OTHERS)
        try:
            parent = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:
                self._link.send(Died(spec.id, CANNOT_FORK, str(error)))
                return
            if pid == 0:
                self._be_worker(spec, parent, mask)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._workers[pid] = spec.id
        self._link.send(Forked(spec.id, pid))

    def _be_worker(self, spec: WorkerSpec, parent: int, mask: Iterable[int]) -> NoReturn:
        code = CRASHED
        try:
            os.setsid()
            mortality.die_with(parent)
            mortality.be_first_out_of_memory()
            self._link.close()
            self._signals.close()
            _heed(signal.SIG_DFL)
            faulthandler.enable(2, all_threads=False)
            faulthandler.register(signal.SIGTTIN, 2, all_threads=True)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            board = Board.open(spec.board)
            board.hold()
            board.mark_pid(os.getpid())
            os.environ[mortality.MARK] = spec.id
            with contextlib.suppress(OSError):  # no room: its death will have fewer words
                lastwords.remember(str(words_of(Path(spec.board))))
            code = self._run(self._app, spec, board)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else CRASHED if end.code else 0
        except BaseException:  # noqa: BLE001 - it must not get into the fork server's loop
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)  # nothing of the fork server's own may run in a worker: no atexit, no finally above us

    # -- death ----------------------------------------------------------------------------------

    def _reap(self, *, wait: bool = False) -> None:
        """Bury processes that ended: workers, and orphans of theirs that we adopted.

        Parameters:
            wait: until no worker is left.
        """
        while self._workers or not wait:
            pid, status = _reaped(self._bereave, wait=wait)
            if pid == 0:
                return
            if pid in self._workers:
                self._link.send(Died(self._workers.pop(pid), os.waitstatus_to_exitcode(status)))

    def _bereave(self, pid: int) -> None:
        """A worker ended: what it started ends too."""
        if pid in self._workers:
            mortality.kill_group(pid)
            mortality.end_strays(self._workers[pid], pid)


def _reaped(before: Callable[[int], None], *, wait: bool) -> tuple[int, int]:
    """Reap a child that ended.

    Parameters:
        before: called with its pid before it is reaped, because until then the number is nobody else's;
            after it where the system cannot look first.
        wait: for one to end.

    Returns:
        Its pid and how it ended; 0, 0 when none has.
    """
    how = 0 if wait else os.WNOHANG
    try:
        if _CAN_LOOK_FIRST:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | how)
            if found is None or found.si_pid == 0:
                return 0, 0
            before(found.si_pid)
            return os.waitpid(found.si_pid, 0)
        pid, status = os.waitpid(-1, how)
    except ChildProcessError:
        return 0, 0
    if pid:
        before(pid)
    return pid, status


def _heed(how: signal.Handlers) -> None:
    for number in _TO_OTHERS:
        signal.signal(number, how)


# -- loading ----------------------------------------------------------------------------------------


def loaded(start: Start) -> tuple[Any, RunWorker, Ready] | Failed:
    """Load the application, or say why that does not work."""
    try:
        app = _named(start.load)(start.app)
        if start.overrides:
            app.override(dict(start.overrides), "flag")
        run: RunWorker = _named(start.run)
        _named(start.logs)(app.settings.log_level)
        return app, run, _ready(start.app, app)
    except BaseException as error:  # noqa: BLE001 - also SystemExit: a module may call sys.exit()
        return _failed(start.app, error)


def set_up_logs(level: str) -> None:
    """Log to stderr. The command line has a better way, for people and for machines."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")


def _ready(path: str, app: Any) -> Ready:
    settings, main = app.settings, threading.main_thread()
    if not app.domains:
        raise AppError(f"{path} has no task", hint="decorate a function with @task")
    for domain in app.domains:
        app.breaker(domain)  # what is wrong with it is found now, once, and not in every worker
    redis_url = app.redis_url()
    embedded = app.uses_embedded_server
    return Ready(
        namespace=app.namespace,
        domains=tuple(app.domains),
        redis_url=redis_url,
        redis_timeout_ms=settings.redis_timeout_ms,
        lease_ms=settings.lease_ms,
        poll_ms=settings.poll_ms,
        grace_ms=settings.grace_ms,
        cancel_grace_ms=settings.cancel_grace_ms,
        pull_size=settings.pull_size,
        slots=settings.slots,
        processes=settings.processes,
        max_deliveries=settings.max_deliveries,
        stalled_after_ms=settings.stalled_after_ms,
        on_stall=settings.on_stall,
        max_jobs=settings.max_jobs,
        max_memory=settings.max_memory,
        pools={domain: app.pool_terms(domain) for domain in app.domains},
        scaling=scaling_rules(settings),
        bursts=burst_rules(settings),
        total_workers=settings.total_workers,
        host_max_workers=settings.host_max_workers,
        keep_failure_ms=settings.keep_result_ms,
        dead_max_age_ms=settings.dead_max_age_ms,
        dead_max_count=settings.dead_max_count,
        embedded=settings.embedded if embedded else "",
        state_dir=str(state_directory(os.environ)) if embedded else "",
        threads=tuple(thread.name for thread in threading.enumerate() if thread is not main),
    )


def _named(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _failed(app: str, error: BaseException) -> Failed:
    code = os.EX_UNAVAILABLE if isinstance(error, ServerError | BrokerError) else 2
    if isinstance(error, HeijunkaError):  # a definition is wrong in a place; other errors say all there is
        where = _traceback(error) if isinstance(error, DefinitionError) else ""
        return Failed(str(error), error.hint, where, code)
    where = _traceback(error)
    text = str(error).partition("\n")[0]
    return Failed(f"{app} cannot be loaded: {type(error).__name__}: {text}".rstrip(": "), None, where, code)


def _traceback(error: BaseException) -> str:
    """The traceback from the user's code on; "" when none of it was running."""
    told = traceback.TracebackException.from_exception(error)
    here = f"{Path(__file__).parents[1]}{os.sep}"
    theirs = [
        frame
        for frame in told.stack
        if not frame.filename.startswith((here, "<frozen ")) and os.sep + "importlib" + os.sep not in frame.filename
    ]
    if not theirs and not isinstance(error, SyntaxError):
        return ""
    told.stack[:] = theirs
    if isinstance(error, HeijunkaError):
        told.__cause__ = None
        told.__suppress_context__ = True
    return "".join(told.format())[-_TRACEBACK_CHARS:]


def main(fd: int, parent: int) -> int:
    """Be a fork server.

    Parameters:
        fd: our end of the link.
        parent: the supervisor's process.

    Returns:
        The process's exit code.
    """
    _heed(signal.SIG_IGN)
    mortality.die_with(parent, ask=False)  # importing may take for ever
    mortality.adopt_orphans()
    lastwords.overhear()
    link = Link(socket.socket(fileno=fd))
    start = link.receive()
    if not isinstance(start, Start):
        return os.EX_USAGE
    result = loaded(start)
    if isinstance(result, Failed):
        link.send(result)
        return result.code
    app, run, ready = result
    if link.send(ready):
        ForkServer(link, app, run).serve()
    app.close()
    return 0


if __name__ == "__main__":
    # Under its own name: what it imports is one module then, not this one and a second copy.
    itself = importlib.import_module("heijunka.worker.forkserver")
    sys.exit(itself.main(int(sys.argv[1]), int(sys.argv[2])))
