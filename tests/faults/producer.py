"""Producers that believe nobody: every operation is accepted, refused, or of unknown outcome."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from heijunka.errors import BrokerError, Unconfirmed


class Producer:
    """Numbers operations and notes what came of them. For any number of threads.

    Attributes:
        accepted, unknown, refused: operations by outcome.
        errors: the types of errors that came, in order.
        slowest_s: how long the slowest call took.
    """

    def __init__(self) -> None:
        self._next = itertools.count(1).__next__
        self.accepted, self.unknown, self.refused = list[int](), list[int](), list[int]()
        self.errors: list[str] = []
        self.slowest_s = 0.0
        self._forgotten = 0

    @property
    def operations(self) -> int:
        """How many there were."""
        return len(self.accepted) + len(self.unknown) + len(self.refused)

    def enqueue(self, send: Callable[..., object], *rest: Any) -> int:
        """One operation: `send(op, *rest)`; its number."""
        op, since, forgotten = self._next(), time.monotonic(), self._forgotten
        try:
            send(op, *rest)
        except Unconfirmed:
            self._note(self.unknown, op, Unconfirmed)
        except BrokerError as error:
            self._note(self.refused, op, type(error))
        else:
            (self.accepted if forgotten == self._forgotten else self.unknown).append(op)
        self.slowest_s = max(self.slowest_s, time.monotonic() - since)
        return op

    def enqueue_many(self, send: Callable[[list[Any]], object], count: int, *rest: Any) -> list[int]:
        """Operations that share their outcome: `send([(op, *rest), …])`, at most 1,000."""
        ops = [self._next() for _ in range(count)]
        try:
            send([(op, *rest) for op in ops])
        except Unconfirmed:
            self.unknown += ops
        except BrokerError:
            self.refused += ops
        else:
            self.accepted += ops
        return ops

    def elsewhere(self, command: list[str], count: int, *, environ: Mapping[str, str]) -> dict[int, int]:
        """Operations of another process; see `tests.faults.enqueue`. When each that was accepted was asked for."""
        ops = [self._next() for _ in range(count)]
        done = subprocess.run(
            command,
            input="".join(f"{op}\n" for op in ops),
            env=dict(environ),
            capture_output=True,
            text=True,
            check=True,
        )
        asked = {}
        for op, answer in zip(ops, done.stdout.split(), strict=True):
            if answer.isdigit():
                self.accepted.append(op)
                asked[op] = int(answer)
            else:
                (self.unknown if answer == "unknown" else self.refused).append(op)
        return asked

    def forget(self) -> None:
        """Redis was emptied: what it had accepted, or is just being asked for, may be done or not."""
        self._forgotten += 1
        gone = len(self.accepted)
        self.unknown += self.accepted[:gone]
        del self.accepted[:gone]

    async def aenqueue(self, send: Callable[..., Any], *rest: Any) -> int:
        """One operation on an event loop. A cancelled one is of unknown outcome."""
        op = self._next()
        outcome = self.unknown
        try:
            await send(op, *rest)
            outcome = self.accepted
        except Unconfirmed:
            pass
        except BrokerError:
            outcome = self.refused
        finally:
            outcome.append(op)
        return op

    @contextlib.contextmanager
    def steadily(self, rate: float, send: Callable[..., object], *rest: Any, threads: int = 1) -> Iterator[None]:
        """Enqueue so many a second while the block runs, or fewer where Redis is slow.

        Parameters:
            rate: operations per second, of all threads together.
            send: a task's `enqueue`.
            rest: arguments after the operation's number.
            threads: how many share the rate.
        """
        over = threading.Event()

        def run() -> None:
            due = time.monotonic()
            while not over.is_set():
                self.enqueue(send, *rest)
                due = max(due + threads / rate, time.monotonic() - 1)  # what an outage kept back is not made up for
                over.wait(max(0.0, due - time.monotonic()))

        running = [threading.Thread(target=run, name="producer") for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in running:
                thread.join()

    def _note(self, outcome: list[int], op: int, error: type[Exception]) -> None:
        outcome.append(op)
        self.errors.append(error.__name__)
