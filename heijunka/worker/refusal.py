"""What Redis refuses to be told of an attempt, and how its job ends then.

A record that is too large for the server, or that trips a script, fails however often it is sent; a server that is
away, full or busy fails for everybody and will be back. Only the first is held against a job, and only as long as
Redis answers something else.
"""

from __future__ import annotations

from typing import Any, Final, cast

from heijunka import commands, wire
from heijunka.clock import wall_ms
from heijunka.commands import Entry
from heijunka.commands.settle import Outcome
from heijunka.errors import BrokerError, HeijunkaError, ScriptError, Unconfirmed

REASON: Final = "refused"
_WITH_RECORD: Final = frozenset({"done", "dropped", "dead"})


def is_about_the_record(error: HeijunkaError) -> bool:
    """Whether a call that was alone and failed so may fail because of what it says.

    Parameters:
        error: an answer of Redis, or `Unconfirmed` when it hung up each time.
    """
    return isinstance(error, (ScriptError, Unconfirmed)) or type(error) is BrokerError


def dead_instead(entry: Entry, outcome: Outcome, error: HeijunkaError, *, keep_ms: int) -> Outcome:
    """A dead letter for a job whose outcome Redis refuses.

    Parameters:
        entry: the job, as it was pulled.
        outcome: what was refused.
        error: how.
        keep_ms: how long who waits is told, where the outcome does not say so; 0 for not at all.
    """
    verb, job_id = str(outcome[0]), wire.id_text(entry.job[4:20])
    if verb in _WITH_RECORD:
        job_id, keep_ms = cast("tuple[Any, Any]", outcome[3:5])
    failure = wire.Failure(
        wire.FORMAT,
        "failed",
        REASON,
        message=f"Redis refused to take note of how its attempt ended ({verb}, {_size(outcome):,} bytes): {error}",
        at_ms=wall_ms(),
    )
    record = wire.encode_end(failure)
    return commands.dead(entry, job_id, keep_ms=keep_ms, failure=record, reason=REASON, job=entry.job)


def _size(outcome: Outcome) -> int:
    return sum(len(word) for word in outcome if isinstance(word, (bytes, str)))
