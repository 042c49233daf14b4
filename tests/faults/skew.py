"""Set the clock of one process while it runs: `skew.c`, compiled when it is first needed."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("skew.c")


class Skew:
    """The clock of the processes that are started with `environ`.

    Parameters:
        folder: where the library and the offset are kept.
    """

    def __init__(self, folder: Path) -> None:
        if sys.platform != "linux":
            pytest.skip("clocks are only set where LD_PRELOAD works")
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler (cc) to build the clock shim with")
        library, self._offset = folder / "skew.so", folder / "skew"
        self._offset.write_bytes(struct.pack("q", 0))
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE)], check=True
        )
        self.environ = {"LD_PRELOAD": str(library), "HEIJUNKA_TEST_SKEW": str(self._offset)}

    def set(self, ahead_ms: int) -> None:
        """Let the clock be so much ahead of the host's, from now on."""
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", ahead_ms))
