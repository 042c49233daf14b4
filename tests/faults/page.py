"""Write docs/fault-results.md from the figures of one run: `python -m tests.faults.page FIGURES PAGE`."""

from __future__ import annotations

import itertools
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.faults.figures import Row, kept

HEAD: Final = """\
# What breaking it showed

<!-- Written by `make faults`; edit tests/faults/ instead. -->

Each row is a fault that `make faults` does to a whole site under load: real supervisors and workers, a server of the
test's own, and where the network is the fault a proxy in front of it. Producers note for every job whether it was
accepted, refused or of unknown outcome; tasks write every start and end into a file outside Redis. At the end the
books are balanced from outside:

- **lost**: jobs that were accepted and neither ended nor are dead-lettered nor still queued. It must be 0.
- **repeated**: attempts that ran again although nothing asked for it, and how many may: what was started, or had
  ended and was not yet settled, when a process died.
- **recovery**: the longest time from a fault until the work went on, and what it should be at most. Times are of a
  machine that was busy with other work too, two rows at a time: they are no promise.

Besides, nothing may run that was refused or exist twice, Heijunka's counters must balance with the books, and no
stream, process, connection or board may be left. A row with a broken invariant fails. The negative controls
(`tests/faults/test_controls.py`) break Heijunka on purpose and see that the checker notices.

"""

COLUMNS: Final = ("row", "fault", "times", "jobs", "lost", "repeated", "recovery", "should be", "and")


def page(rows: Sequence[Row]) -> str:
    """The whole page."""
    jobs, lost, failed = sum(row.jobs for row in rows), sum(row.lost for row in rows), [r for r in rows if not r.passed]
    total = (
        f"Last run: {len(rows)} tests, {sum(row.faults for row in rows):,} faults, {jobs:,} jobs, {lost} lost, "
        f"{len(failed)} failed; seed {rows[0].seed if rows else 1}, CPython {platform.python_version()}, "
        f"{os.cpu_count()} cores.\n\n"
    )
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *table(rows)]
    return HEAD + total + "\n".join(lines) + "\n"


def table(rows: Sequence[Row]) -> list[str]:
    """A line for each row; several tests of one row are added up."""
    groups = itertools.groupby(rows, key=lambda row: (row.row, row.fault))
    return [_line(list(group)) for _, group in groups]


def _line(rows: Sequence[Row]) -> str:
    first = rows[0]
    times = [row.recovery_ms for row in rows if row.recovery_ms is not None]
    lost = sum(row.lost for row in rows)
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    if not all(row.passed for row in rows):
        notes.insert(0, "**failed**")
    cells = (
        str(first.row),
        first.fault.replace("|", "\\|"),
        f"{sum(row.faults for row in rows):,}",
        f"{sum(row.jobs for row in rows):,}",
        f"**{lost}**" if lost else "0",
        f"{sum(row.repeats for row in rows)} of {sum(row.bound for row in rows)}",
        _spelled(max(times)) if times else "",
        first.target,
        "; ".join(notes),
    )
    return "| " + "".join(f"{cell} | " if cell else "| " for cell in cells).rstrip()


def _spelled(ms: float) -> str:
    return f"{ms / 1_000:.1f} s" if ms >= 1_000 else f"{ms:.0f} ms"


def main(figures: str, target: str) -> int:
    """Write the page and print its table; 1 when a row failed."""
    rows = kept(Path(figures))
    Path(target).write_text(page(rows))
    print("\n".join(table(rows)))  # noqa: T201 - what make shows
    return 0 if rows and all(row.passed and not row.lost for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
