"""What an operator's action needs to know of a task. The application's tasks fit; without one there are none."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import msgspec

from heijunka.keys import Priority


class KnownSignature(Protocol):
    """Decodes the arguments of a task's calls."""

    @property
    def signature(self) -> inspect.Signature:
        """The function's, for the names of its parameters."""
        ...

    def decode(self, encoded: bytes | msgspec.Raw) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments in the annotated types; raises UndecodableArguments."""
        ...


class KnownOptions(Protocol):
    """What a task asks for."""

    @property
    def priority(self) -> Priority:
        """Of its jobs, unless a call says otherwise."""
        ...


class KnownTask(Protocol):
    """A task of the application."""

    @property
    def signature(self) -> KnownSignature:
        """Decodes its arguments."""
        ...

    @property
    def task_options(self) -> KnownOptions:
        """What it asks for."""
        ...
