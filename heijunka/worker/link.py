"""What a supervisor and its fork server say to each other.

They share a socket pair and nothing else; the end of one is the end of the stream for the other, which
is how each learns of the other's death. A message is its length and msgpack. Datagrams would spare the
length, but those that report the end of the stream (SEQPACKET) exist on Linux only.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from struct import Struct
from typing import Any, Final, Literal

import msgspec

from heijunka.app.pooling import PoolTerms
from heijunka.policies.burst import BurstRules
from heijunka.policies.scaling import ScalingRules
from heijunka.worker.spec import WorkerSpec

LOAD_APP: Final = "heijunka.worker.runnable:prepared_app"
RUN_WORKER: Final = "heijunka.worker.process:run_worker"
SET_UP_LOGS: Final = "heijunka.worker.forkserver:set_up_logs"

_LENGTH: Final = Struct("!I")


class Start(msgspec.Struct, frozen=True, tag=True):
    """To the fork server, first of all: what to load.

    Attributes:
        app: path of the application.
        overrides: settings given on the command line.
        load: `module:function` that loads the application.
        run: `module:function` that a worker process runs.
        logs: `module:function` that lets the processes log, given the level.
    """

    app: str
    overrides: Mapping[str, Any] = {}
    load: str = LOAD_APP
    run: str = RUN_WORKER
    logs: str = SET_UP_LOGS


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From the fork server: the application is loaded, workers may be forked.

    Attributes:
        namespace: of the application.
        domains: that it declares.
        redis_url: where Redis is.
        redis_timeout_ms: how long a call may take, ms.
        lease_ms, poll_ms, grace_ms, pull_size, slots: see `WorkerSpec`.
        processes: workers per domain.
        max_deliveries: deliveries at which a job is dead-lettered as poison.
        keep_failure_ms: how long a failure is kept for who waits, ms.
        embedded: the setting `embedded`, when Redis is the embedded server; "" when one is configured.
        state_dir: where that server has its state.
        dead_max_age_ms: how long dead letters are kept, ms; None for ever.
        dead_max_count: how many each domain keeps; None for all.
        threads: names of the threads that importing the application started; they are not in workers.
        cancel_grace_ms: how long an attempt may go on after its job was cancelled, ms.
        stalled_after_ms: how long an attempt without a timeout may run before an alarm, ms.
        on_stall: what follows: "alarm" for no more than that, "dead" for a dead letter.
        max_jobs: after how many jobs a worker retires; 0 for never.
        max_memory: from how many bytes on a worker retires; 0 for never.
        pools: how many workers each pool may have and begins with, by domain.
        scaling: what the leader holds pools to, their bounds apart.
        bursts: when the leader gives a pool a surge.
        total_workers: that all pools may have together, over all hosts; None for any number.
        host_max_workers: of all pools together, on this host.
    """

    namespace: str
    domains: tuple[str, ...]
    redis_url: str
    redis_timeout_ms: int
    lease_ms: int
    poll_ms: int
    grace_ms: int
    pull_size: int
    slots: int
    processes: int
    max_deliveries: int
    keep_failure_ms: int
    embedded: str = ""
    state_dir: str = ""
    dead_max_age_ms: int | None = None
    dead_max_count: int | None = None
    threads: tuple[str, ...] = ()
    cancel_grace_ms: int = 5_000
    stalled_after_ms: int = 300_000
    on_stall: Literal["alarm", "dead"] = "alarm"
    max_jobs: int = 0
    max_memory: int = 0
    pools: dict[str, PoolTerms] = {}
    scaling: ScalingRules = ScalingRules()
    bursts: BurstRules = BurstRules()
    total_workers: int | None = None
    host_max_workers: int = 50


class Failed(msgspec.Struct, frozen=True, tag=True):
    """From the fork server: the application cannot be loaded.

    Attributes:
        error: why, in one line.
        hint: what to do next, in one line.
        traceback: where, if it was the user's code that raised.
        code: what the command should exit with.
    """

    error: str
    hint: str | None = None
    traceback: str = ""
    code: int = 2


class Fork(msgspec.Struct, frozen=True, tag=True):
    """To the fork server: make a worker."""

    spec: WorkerSpec


class Forked(msgspec.Struct, frozen=True, tag=True):
    """From the fork server: the worker is process `pid`."""

    worker: str
    pid: int


class Died(msgspec.Struct, frozen=True, tag=True):
    """From the fork server: the worker's process ended.

    Attributes:
        worker: its id.
        code: exit code, or the signal's number, negative.
        error: why it could not even be forked, or "".
    """

    worker: str
    code: int
    error: str = ""


class Tell(msgspec.Struct, frozen=True, tag=True):
    """To the fork server: send a signal to workers that still live.

    Only their parent can do so without hitting a stranger who got a dead worker's pid.

    Attributes:
        workers: their ids.
        signal: its number.
        group: whether everything they started gets it too.
    """

    workers: tuple[str, ...]
    signal: int
    group: bool = False


Message = Start | Ready | Failed | Fork | Forked | Died | Tell

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class Link:
    """One end.

    Parameters:
        sock: a connected stream socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, message: Message) -> bool:
        """Say something; whether the other side is still there."""
        encoded = _encode(message)
        try:
            self._socket.sendall(_LENGTH.pack(len(encoded)) + encoded)
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """Wait for the next message; None when the other side is gone.

        Whoever was upgraded while the other side ran may say what this side does not know: that reads as
        `Failed`.
        """
        length = self._exactly(_LENGTH.size)
        if length is None:
            return None
        encoded = self._exactly(_LENGTH.unpack(length)[0])
        try:
            return None if encoded is None else _decode(encoded)
        except msgspec.DecodeError as error:
            return Failed(f"another version of Heijunka is installed now: {error}", "restart the worker")

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except OSError:
                return None
            if not part:
                return None
            data += part
        return bytes(data)
