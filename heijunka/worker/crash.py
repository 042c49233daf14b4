"""What is known of a worker's death, and who is to blame.

Jobs that were running when a worker died are charged a delivery, because one of them may have killed it.
When we killed it ourselves we know better: nobody is charged, and an attempt that outlived its limit is
marked, so that the worker that pulls it next settles it as its task says.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from heijunka.clock import spell_ms, wall_ms
from heijunka.wire import FORMAT, Failure, encode_end
from heijunka.worker.board import Running
from heijunka.worker.lastwords import LastWords

NOTHING: Final = LastWords()

Reason = Literal["timeout", "stop", "cancel", "stall"]
"""Why we kill a worker: an attempt outlived its limit, it did not stop in time, an attempt went on although its job was
cancelled, or one without a limit did not end."""


class Death(msgspec.Struct, frozen=True):
    """A worker is dead, and what it held is to be given back.

    Attributes:
        domain: whose jobs it ran.
        worker: its id.
        how: how it ended, for people.
        charged: source and entry id of the jobs that are charged.
        overdue: source and entry id of the jobs whose attempt outlived its limit.
        failure: the record a dead letter gets.
        expected: whether it ended by itself and in order.
    """

    domain: str
    worker: str
    how: str
    charged: tuple[tuple[int, str], ...]
    failure: bytes
    expected: bool = False
    overdue: tuple[tuple[int, str], ...] = ()


def of(
    domain: str,
    worker: str,
    code: int,
    *,
    running: Sequence[Running],
    killed_for: Reason | None,
    now_ns: int,
    cancelled: Sequence[Running] = (),
    stalled: Sequence[Running] = (),
    words: LastWords = NOTHING,
) -> Death:
    """The death of a worker whose process we saw end.

    Parameters:
        domain: whose jobs it ran.
        worker: its id.
        code: exit code, or the signal's number, negative.
        running: what its board shows.
        killed_for: why we killed it, if we did.
        now_ns: by CLOCK_MONOTONIC.
        cancelled: what of that went on although its job was cancelled.
        stalled: what of that had no limit and did not end.
        words: what it said last.
    """
    if killed_for == "cancel":
        # Whoever pulls an overdue job settles its attempt, and is told that the job is marked.
        how = "was killed because an attempt went on after its job was cancelled"
        failure = _failure("poison", "WorkerDied", f"{worker} {how}", worker)
        return Death(domain, worker, how, (), failure, overdue=_entries(cancelled))
    if killed_for == "stall":
        how = "was killed because an attempt stalled"
        failure = _failure("poison", "WorkerDied", f"{worker} {how}", worker)
        return Death(domain, worker, how, (), failure, overdue=_entries(stalled))
    if killed_for == "timeout":
        return _timed_out(domain, worker, [attempt for attempt in running if attempt.overdue(now_ns)])
    if killed_for == "stop":
        how = "was killed because it did not stop in time"
        return Death(domain, worker, how, (), _failure("poison", "WorkerDied", f"{worker} {how}", worker))
    how = ending(code)
    failure = _failure(
        "poison",
        "WorkerDied",
        f"{worker} {how} while it ran this job",
        worker,
        signal=_signal_name(-code) if code < 0 else "",
        exit_code=code if code >= 0 else None,
        stderr=words.text,
    )
    return Death(domain, worker, how, _entries(running), failure, expected=code == 0)


def _timed_out(domain: str, worker: str, overdue: Sequence[Running]) -> Death:
    limits = " and ".join(sorted({spell_ms(attempt.limit_ms) for attempt in overdue})) or "its limit"
    how = f"was killed because an attempt ran longer than {limits}"
    failure = _failure("poison", "WorkerDied", f"{worker} {how}", worker)
    return Death(domain, worker, how, (), failure, overdue=_entries(overdue))


def inherited(domain: str, worker: str, running: Sequence[Running], words: LastWords = NOTHING) -> Death:
    """A worker that died with its supervisor, as its board tells.

    Parameters:
        domain: whose jobs it ran.
        worker: its id.
        running: what its board shows.
        words: what it said last.
    """
    how = "died with its supervisor"
    failure = _failure("poison", "WorkerDied", f"{worker} {how} while it ran this job", worker, stderr=words.text)
    return Death(domain, worker, how, _entries(running), failure)


def lapsed(domain: str, worker: str) -> Death:
    """A worker of whom only is known that nobody renewed its lease."""
    how = "lost its lease"
    failure = _failure("poison", "WorkerLost", f"{worker} {how} while it held this job", worker)
    return Death(domain, worker, how, (), failure)


def ending(code: int) -> str:
    """How a process ended.

    Parameters:
        code: exit code, or the signal's number, negative.

    Example:
        >>> ending(-11), ending(3)
        ('was killed by SIGSEGV', 'exited with code 3')
    """
    if code == 0:
        return "ended"
    if code > 0:
        return f"exited with code {code}"
    return f"was killed by {_signal_name(-code)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _entries(running: Sequence[Running]) -> tuple[tuple[int, str], ...]:
    return tuple((attempt.source, attempt.entry.decode()) for attempt in running)


def _failure(reason: str, error_type: str, message: str, worker: str, **known: Any) -> bytes:
    return encode_end(
        Failure(
            FORMAT, "failed", reason, error_type=error_type, message=message, worker=worker, at_ms=wall_ms(), **known
        )
    )
