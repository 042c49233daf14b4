"""Run `def` tasks in threads, one slot each."""

from __future__ import annotations

from collections.abc import Sequence

from heijunka.worker.fatal import essential
from heijunka.worker.inline import InlineExecutor


class ThreadExecutor:
    """Several slots of `def` tasks.

    Parameters:
        slots: one executor for each thread.
    """

    def __init__(self, slots: Sequence[InlineExecutor]) -> None:
        self._threads = [essential(slot.run, f"slot-{number}") for number, slot in enumerate(slots)]

    def run(self) -> None:
        """Run jobs until the inbox is closed and every attempt has ended."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
