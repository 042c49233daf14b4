"""Where a supervisor keeps its workers' boards: a private directory in memory.

The directory is locked while its supervisor lives. What a killed supervisor left behind is therefore
known to be left behind, and the next one removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from heijunka.errors import WorkerError


class RuntimeDir:
    """The directory of one supervisor.

    Parameters:
        name: its own, unique.
        root: where such directories are; the first private place in memory when left out.

    Raises:
        WorkerError: there is no place for it.
    """

    def __init__(self, name: str, *, root: Path | None = None) -> None:
        self._root = _first_private(_candidates() if root is None else (root,))
        self.path = self._root / name
        with _locked(self._root, fcntl.LOCK_EX):  # nobody sweeps what is made and not locked yet
            _sweep(self._root)
            self.path.mkdir(mode=0o700)
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove it with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


def _candidates() -> Iterator[Path]:
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
        hint="set XDG_RUNTIME_DIR to a private directory",
    )


def _sweep(root: Path) -> None:
    for left in root.iterdir():
        with contextlib.suppress(OSError), _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)
