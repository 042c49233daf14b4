"""What tests of supervisors, leaders and their pools say to each other."""

from __future__ import annotations

from typing import Final

from heijunka.clock import Milliseconds
from heijunka.commands import PoolReport, Report, Target

NOW: Final = Milliseconds(1_700_000_000_000)
TTL: Final = Milliseconds(5_000)
SAYS: Final = Report("host", 7, 50, {"payment": PoolReport(2, busy_ns=10, slot_ns=20)})
WANTED: Final = Target(5, {"a": 3, "b": 2}, "because")


def at(ms: int) -> Milliseconds:
    """So long after `NOW`."""
    return Milliseconds(NOW + ms)
