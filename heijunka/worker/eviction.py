"""Whether Redis still keeps what it was given, looked at once a minute.

Workers refuse to start on a server that may delete jobs when it is full. Its policy can change while they run, and
then they stop pulling: what they held could be deleted under them. They go on when it is mended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from heijunka.broker.client import Channel
from heijunka.broker.conversation import Patience
from heijunka.control.health import KEEPS_ALL, SET_POLICY
from heijunka.errors import RedisDenied

log: Final = logging.getLogger("heijunka.worker")

LOOK_EVERY_S: float = 60.0


class Eviction:
    """What a server's maxmemory-policy was when it was last looked at.

    Parameters:
        changed: called when it becomes an evicting one, and when it becomes none.

    Attributes:
        policy: the evicting policy, or "" when nothing is evicted.
    """

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._look_at = time.monotonic() + LOOK_EVERY_S  # it has just been looked at
        self.policy = ""

    def look_if_due(self, channel: Channel) -> float:
        """Look if it is time to; returns when it will be again, by the monotonic clock.

        Raises:
            HeijunkaError: it cannot be asked.
        """
        if time.monotonic() >= self._look_at:
            self._look(channel)
            self._look_at = time.monotonic() + LOOK_EVERY_S
        return self._look_at

    def _look(self, channel: Channel) -> None:
        try:
            info: Any = channel.plain("INFO", "memory", patience=Patience(0))
        except RedisDenied:  # it was not asked at the start either
            return
        lines = info.decode("utf-8", "replace").splitlines()
        said = next((line.partition(":")[2] for line in lines if line.startswith("maxmemory_policy:")), KEEPS_ALL)
        before, self.policy = self.policy, "" if said == KEEPS_ALL else said
        if self.policy and not before:
            log.error("maxmemory-policy is %s now: Redis may delete jobs when it is full", self.policy)
            log.error("hint: %s", SET_POLICY)
        if bool(self.policy) != bool(before):
            self._changed()
