"""What a row measured: one JSON line each, from which the page of results is made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tests.faults.accounts import Account

FIGURES: Final = "HEIJUNKA_TEST_FIGURES"
"""Names the file that figures are appended to; nothing is kept when it is not set."""


class Row(msgspec.Struct, kw_only=True):
    """One row of the matrix, as one test filled it.

    Attributes:
        row: its number.
        fault: what was done, in a few words.
        target: what the recovery should cost, in words; "" when nothing is recovered.
        seed: what was random followed from.
        faults: how often the fault was done.
        jobs: operations of the producers.
        lost: accepted and gone.
        repeats: attempts that ran again.
        bound: how many may.
        recovery_ms: the longest time from a fault until work went on; None where there is nothing to wait for.
        note: what else there is to say.
        passed: whether every invariant held.
    """

    row: int
    fault: str
    target: str = ""
    seed: int = 0
    faults: int = 1
    jobs: int = 0
    lost: int = 0
    repeats: int = 0
    bound: int = 0
    recovery_ms: float | None = None
    note: str = ""
    passed: bool = False

    def books(self, account: Account, *, bound: int) -> None:
        """Take the figures of an account."""
        self.jobs += len(account.accepted) + len(account.unknown) + len(account.refused)
        self.lost += len(account.lost)
        self.repeats += account.repeats
        self.bound += bound

    def recovered(self, ms: float) -> None:
        """Note how long one recovery took; the longest counts."""
        self.recovery_ms = max(self.recovery_ms or 0.0, ms)

    def keep(self, path: Path) -> None:
        """Append it to a file."""
        with path.open("ab") as file:
            file.write(msgspec.json.encode(self) + b"\n")


def kept(path: Path) -> list[Row]:
    """The rows of a file, by number."""
    rows = [msgspec.json.decode(line, type=Row) for line in path.read_bytes().splitlines()]
    return sorted(rows, key=lambda row: (row.row, row.fault))
