"""A file that takes its name when it is complete; until then, what was there stays."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from heijunka_cli.ending import Usage


@contextlib.contextmanager
def complete_file(path: Path | None) -> Iterator[IO[str]]:
    """What to write text into. A new file is its owner's alone to read.

    Parameters:
        path: of the file; None for stdout. What is no file (a device, a pipe) is written to directly.

    Raises:
        Usage: it cannot be written.
    """
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as device:
                yield device
        else:
            yield from _beside(path)
    except OSError as error:
        if isinstance(error, (ConnectionError, TimeoutError)):  # not of this file
            raise
        raise Usage(f"{path} cannot be written: {error.strerror or error}") from error


def _beside(path: Path) -> Iterator[IO[str]]:
    """A file of the same folder, renamed at the end or removed."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            yield file
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
