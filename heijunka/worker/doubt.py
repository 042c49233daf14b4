"""When not to believe that a lease is over.

A lease ends by Redis's clock because its worker's supervisor did not renew it. If Redis was away, or its
clock was set, then nobody could renew, or time itself is wrong, and taking everything away from everybody
would run the whole load twice. So after any such event one full lease passes first: time for every
living supervisor to renew. Pure: observations are arguments.
"""

from __future__ import annotations

from typing import Final

import msgspec

TOLERANCE: Final = 0.1
"""How far Redis's clock may stray from ours between two looks, in leases."""


class Sight(msgspec.Struct, frozen=True):
    """One look at Redis.

    Attributes:
        run_id: which run of which server answered; "" when we may not know.
        server_ms: its clock, ms since the epoch.
        asked_ms: when we asked, by our monotonic clock.
        heard_ms: when the answer was here.
    """

    run_id: str
    server_ms: int
    asked_ms: int
    heard_ms: int


class Doubt:
    """Whether leases that seem over are to be believed.

    Parameters:
        lease_ms: how long a lease lasts.

    Example:
        >>> doubt = Doubt(15_000)
        >>> doubt.look(Sight("a", 1_000_000, 0, 1))
        'just started'
        >>> doubt.look(Sight("a", 1_005_000, 5_000, 5_001)), doubt.until_ms
        (None, 15001)
    """

    def __init__(self, lease_ms: int) -> None:
        self._lease_ms = lease_ms
        self._last: Sight | None = None
        self.until_ms = 0

    def look(self, sight: Sight) -> str | None:
        """Take note; returns what gives new reason to doubt."""
        reason = self._reason(sight)
        self._last = sight
        if reason is not None:
            self.until_ms = sight.heard_ms + self._lease_ms
        return reason

    def over(self, now_ms: int) -> bool:
        """Whether a full lease has passed since there last was reason to doubt."""
        return self._last is not None and now_ms >= self.until_ms

    def _reason(self, sight: Sight) -> str | None:
        last = self._last
        if last is None:
            return "just started"
        if sight.run_id != last.run_id:
            return "Redis was restarted or replaced"
        # A lease has at least two thirds left when contact breaks, so a shorter break ends none.
        if sight.asked_ms - last.heard_ms > self._lease_ms // 2:
            return "Redis was out of touch"
        # Each look bounds how far Redis's clock is ahead of ours; the bounds must overlap.
        tolerance = self._lease_ms * TOLERANCE
        earliest, latest = sight.server_ms - sight.heard_ms, sight.server_ms - sight.asked_ms
        if earliest > last.server_ms - last.asked_ms + tolerance:
            return "Redis's clock jumped forward"
        if latest < last.server_ms - last.heard_ms - tolerance:
            return "Redis's clock jumped back"
        return None
