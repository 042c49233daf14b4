"""A worker whose jobs are run by the test."""

from __future__ import annotations

from pathlib import Path

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.keys import DomainKeys
from heijunka.worker.board import Board
from heijunka.worker.fetcher import Fetcher
from heijunka.worker.inbox import Inbox
from heijunka.worker.settler import Settler
from heijunka.worker.spec import WorkerSpec


class Hands:
    """A fetcher and a settler without an executor: the test decides what runs and when."""

    def __init__(self, url: str, keys: DomainKeys, folder: Path) -> None:
        self.client = Client(url)
        self.spec = WorkerSpec("w1", keys.domain, keys.namespace, url, 1, str(folder / "b"), 60_000, 1_000, 1_000, 10)
        self.board = Board.create(self.spec.board, slots=1)
        self.inbox = Inbox()
        self.settler = Settler(self.client.channel(), keys, busy=lambda: False)
        self.fetcher = Fetcher(
            self.client,
            keys,
            self.spec,
            self.inbox,
            self.settler,
            want=lambda: (20, 1),
            joined=lambda _: self.board.mark_joined(),
        )
        self.settler.start()
        self.fetcher.start()
        self.done: list[bytes] = []

    def finish(self) -> None:
        """Run what is in the inbox."""
        while (entry := self.inbox.next()) is not None:
            self.done.append(entry.job)
            self.settler.put(entry, commands.ack(entry))
        self.inbox.nudge()

    def leave(self) -> bool:
        """Stop; whether everything was settled."""
        self.fetcher.stop()
        self.fetcher.join(5)
        settled = self.settler.stop()
        self.client.close()
        return settled
