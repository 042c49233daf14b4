"""What a supervisor is asked to run, and the exit codes that say how it went."""

from __future__ import annotations

from typing import Final

import msgspec

EXIT_OK: Final = 0
EXIT_NOT_FOUND: Final = 3
EXIT_UNREACHABLE: Final = 69
EXIT_INTERRUPTED: Final = 130


class Order(msgspec.Struct, frozen=True):
    """What a supervisor was asked to run.

    Attributes:
        domains: whose jobs; None for all that the application declares.
        processes: workers per domain; None for what the settings say.
        slots: of each worker; None for what the settings say.
        burst: whether to end when there is nothing to do.
        allow_eviction: whether to run on a Redis that may delete jobs when it is full.
    """

    domains: tuple[str, ...] | None
    processes: int | None
    slots: int | None
    burst: bool
    allow_eviction: bool = False
