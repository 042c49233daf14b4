"""What a task raises to say what becomes of its job.

These are no errors: nothing failed, and `except HeijunkaError` does not catch them.
"""

from __future__ import annotations


class Steer(Exception):
    """What a task raises to say what becomes of its job."""


class Retry(Steer):
    """Run this job again later; an attempt is charged.

    After the last attempt the job is dead-lettered instead.

    Parameters:
        reason: why, in a few words.
        after: seconds, or text such as "5m"; None takes the task's back-off.

    Example:
        >>> raise Retry(after="30s")
        Traceback (most recent call last):
        heijunka.errors.Retry: after 30s
    """

    def __init__(self, reason: str = "", *, after: float | str | None = None) -> None:
        self.reason, self.after = reason, after
        super().__init__(reason or ("by back-off" if after is None else f"after {after}"))


class Snooze(Steer):
    """Run this job again later; no attempt is charged.

    Parameters:
        for_: how much later: seconds, or text such as "5m".

    Example:
        >>> raise Snooze("1h")
        Traceback (most recent call last):
        heijunka.errors.Snooze: for 1h
    """

    def __init__(self, for_: float | str) -> None:
        self.for_ = for_
        super().__init__(f"for {for_}")


class Reject(Steer):
    """Dead-letter this job now, without further attempts.

    Parameters:
        reason: why, in a few words; it is shown with the dead letter.

    Example:
        >>> raise Reject("unknown order")
        Traceback (most recent call last):
        heijunka.errors.Reject: unknown order
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
