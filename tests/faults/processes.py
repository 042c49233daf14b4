"""Look at processes from outside, by what the kernel says of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARK: Final = "HEIJUNKA_TEST_MARK"
"""Set in the environment of whatever a test starts, and so in that of all its descendants."""


def marked(mark: str) -> list[int]:
    """The living processes that carry this mark, zombies not counted."""
    wanted = f"{MARK}={mark}\0".encode()
    found = []
    for pid in _all():
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes() and _state(pid) != "Z":
                found.append(pid)
    return found


def children(parent: int) -> list[int]:
    """The living children of a process."""
    found = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{parent}/task").iterdir():
            for child in (thread / "children").read_text().split():
                with contextlib.suppress(OSError):
                    if _state(int(child)) != "Z":
                        found.append(int(child))
    return sorted(found)


def command(pid: int) -> str:
    """Its command line, for a message."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return f"process {pid}"


def resident_kib(pid: int) -> int:
    """Memory that is its own or shared, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def descriptors(pid: int) -> int:
    """Open file descriptors."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def threads(pid: int) -> int:
    """Threads."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def _all() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
