"""Where a supervisor keeps its workers' boards: a private directory in memory.

The directory is locked while its supervisor lives. What a killed supervisor left behind is therefore
known to be left behind. Boards in it tell what its workers were running, so the next supervisor of the same
application reads them (see `estate`); what nobody came for within a day is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from heijunka.errors import WorkerError

BOARDS: Final = "*.board"
OWNER: Final = "owner"
PLACE: Final = "HEIJUNKA_RUNTIME_DIR"
FOUND: Final = "found"
KEPT_S: Final = 86_400.0
"""How long boards wait for an heir."""


class RuntimeDir:
    """The directory of one supervisor.

    Parameters:
        name: its own, unique.
        root: where such directories are; when left out, what the environment says, or a private place in memory.

    Raises:
        WorkerError: there is no place for it.
    """

    def __init__(self, name: str, *, root: Path | None = None) -> None:
        self.root = _first_private(_candidates() if root is None else (root,))
        self.path = self.root / name
        with locked(self.root, fcntl.LOCK_EX):  # nobody sweeps what is made and not locked yet
            _sweep(self.root)
            self.path.mkdir(mode=0o700)
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_EX)

    def board(self, worker: str) -> Path:
        """Where the board of a worker is."""
        return self.path / f"{worker}.board"

    def words(self, worker: str) -> Path:
        """Where a worker keeps what it says; see `lastwords`."""
        return words_of(self.board(worker))

    def declare(self, owner: str) -> None:
        """Say whose workers these are.

        Parameters:
            owner: what who may inherit the boards says, too; see `estate.owner_of`.
        """
        (self.path / OWNER).write_text(owner)

    def discard(self, worker: str) -> None:
        """Nothing is left of what a worker held: forget what it showed."""
        forget(self.board(worker))

    def close(self) -> None:
        """Remove it, unless boards are left in it: what their workers held is not given back yet."""
        if not any(self.path.glob(BOARDS)):
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


def words_of(board: Path) -> Path:
    """Where the worker that shows what it does at `board` keeps what it says."""
    return board.with_suffix(".words")


def forget(board: Path) -> None:
    """Remove a board, and what its worker said."""
    words_of(board).unlink(missing_ok=True)
    board.unlink(missing_ok=True)


def _candidates() -> Iterator[Path]:
    if place := os.environ.get(PLACE):
        yield Path(place)
        return
    yield Path("/dev/shm") / f"heijunka-{os.getuid()}"  # noqa: S108 - private_dir checks whose it is
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "heijunka"
    yield Path(tempfile.gettempdir()) / f"heijunka-{os.getuid()}"


def _first_private(candidates: Iterator[Path] | tuple[Path, ...]) -> Path:
    refused = []
    for candidate in candidates:
        try:
            candidate.mkdir(mode=0o700, exist_ok=True)
            found = candidate.lstat()
        except OSError as error:
            refused.append(str(error))
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return candidate
        refused.append(f"{candidate} is not ours alone")
    raise WorkerError(
        f"no private directory for worker boards: {'; '.join(refused)}",
        hint=f"set {PLACE} to a private directory",
    )


def _sweep(root: Path) -> None:
    for left in root.iterdir():
        with contextlib.suppress(OSError), locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if not any(left.glob(BOARDS)) or _waited_s(left) > KEPT_S:
                shutil.rmtree(left, ignore_errors=True)


def _waited_s(left: Path) -> float:
    """How long it is known that its supervisor is dead."""
    found = left / FOUND
    if not found.exists():
        found.touch()
    return time.time() - found.stat().st_mtime


@contextlib.contextmanager
def locked(path: Path, how: int) -> Iterator[None]:
    """A directory is locked; the kernel unlocks it when this process ends.

    Parameters:
        path: of the directory.
        how: LOCK_EX or LOCK_SH of `fcntl`, with LOCK_NB in order not to wait.

    Raises:
        BlockingIOError: somebody else holds the lock, and we do not wait.
        OSError: there is no such directory.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)
