"""Talk about an outage once, not at every failed call."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from heijunka.broker.conversation import pause
from heijunka.clock import spell_ms
from heijunka.errors import RedisUnreachable, ScriptError, WrongKeyType

log: Final = logging.getLogger("heijunka.worker")

SAY_AGAIN_AFTER_S: Final = 1.0
SAY_AT_LEAST_EVERY_S: Final = 60.0

SPOILT: Final = (ScriptError, WrongKeyType)
"""What Redis answers when only one domain's keys are bad: no reason to stop serving the others."""


class Outage:
    """What one loop knows of its trouble with Redis. For one thread.

    Parameters:
        who: who cannot do its work, for the log.
        clock: tells seconds.
        away: called at every failure to connect; it may wait.
    """

    def __init__(
        self, who: str, *, clock: Callable[[], float] = time.monotonic, away: Callable[[], None] | None = None
    ) -> None:
        self._who, self._clock, self._away = who, clock, away
        self._since: float | None = None
        self._failures = 0
        self._say_at = self._interval = 0.0

    def failed(self, error: Exception) -> float:
        """A call failed; returns how long to wait before the next, in seconds.

        The first failure is logged, and then ever fewer: at most one in a second, at least one in a minute.
        """
        now = self._clock()
        if self._since is None:
            self._since, self._failures = now, 0
            self._say_at, self._interval = now, SAY_AGAIN_AFTER_S
        if now >= self._say_at:
            log.error("%s: %s", self._who, error)
            self._say_at, self._interval = now + self._interval, min(self._interval * 2, SAY_AT_LEAST_EVERY_S)
        if self._away is not None and isinstance(error, RedisUnreachable):
            self._away()
        self._failures += 1
        return pause(self._failures)

    def over(self) -> None:
        """A call succeeded; if that ends an outage it is logged."""
        if self._since is not None:
            log.warning("%s: Redis answers again after %s", self._who, spell_ms((self._clock() - self._since) * 1e3))
            self._since = None
