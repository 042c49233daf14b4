"""What a dead supervisor left: the boards of its workers, which say what they were running.

A supervisor that was killed tells nobody what its workers did, and its workers' leases would say only that
they are over, so that everything they held would count as started. But its boards are still there. Whoever
serves the same application on the same host reads them, and then only what had started is charged.

Two locks make that safe, and the kernel gives both back at a process's end, whatever ended it. A directory
that is unlocked has no supervisor any more, and while an heir holds its lock there is no other. A board that
is unlocked has no worker any more: nothing is given back while anybody might still run it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Collection, Generator, Iterator
from pathlib import Path

from heijunka.errors import WorkerError
from heijunka.worker import crash
from heijunka.worker.board import Board
from heijunka.worker.crash import Death
from heijunka.worker.lastwords import last_words
from heijunka.worker.runtime import BOARDS, OWNER, forget, locked, words_of


def owner_of(namespace: str, redis_url: str) -> str:
    """What supervisors that may inherit from each other have in common.

    Parameters:
        namespace: of the application.
        redis_url: where its jobs are. Passwords cannot be read from what this returns.
    """
    return f"{namespace} {hashlib.sha256(redis_url.encode()).hexdigest()}"


class Estates:
    """What dead supervisors of one application left on this host.

    Parameters:
        root: where the directories of supervisors are.
        owner: see `owner_of`.

    Attributes:
        unsettled: whether workers of a dead supervisor were still there at the last look; they are about to die.
    """

    def __init__(self, root: Path, owner: str) -> None:
        self._root, self._owner = root, owner
        self._boards: dict[str, Path] = {}
        self.unsettled = False

    def deaths(self, domains: Collection[str]) -> Generator[Death, None, None]:
        """The workers that died with their supervisor. While this runs nobody else inherits the same.

        Parameters:
            domains: whose workers to look for.

        Yields:
            One death after the other; `settle` each when what the worker held is given back, or it is found again.
        """
        self.unsettled = False
        for left in self._left():
            with contextlib.suppress(OSError), locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
                for path in sorted(left.glob(BOARDS)):
                    yield from self._death(left.name, path, domains)
                if not any(left.glob(BOARDS)):
                    shutil.rmtree(left, ignore_errors=True)

    def settle(self, death: Death) -> None:
        """What this worker held is given back: forget what it showed."""
        forget(self._boards.pop(death.worker))

    def _left(self) -> list[Path]:
        """Directories of our kind. Whether their supervisors live, their locks say."""
        found = []
        with contextlib.suppress(OSError):
            for path in sorted(self._root.iterdir()):
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    if (path / OWNER).read_text() == self._owner:
                        found.append(path)
        return found

    def _death(self, supervisor: str, path: Path, domains: Collection[str]) -> Iterator[Death]:
        worker = path.stem
        domain = worker.removeprefix(f"{supervisor}-").rsplit("-", 2)[0]
        if domain not in domains:
            return
        try:
            board = Board.open(str(path))
        except WorkerError:  # of another version: its lease will say what it can
            forget(path)
            return
        try:
            if board.is_held():
                self.unsettled = True
                return
            death = crash.inherited(domain, worker, board.running(), last_words(words_of(path)))
        finally:
            board.close()
        self._boards[worker] = path
        yield death
