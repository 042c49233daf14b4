"""Definitions that are wrong where they are written, raised while a module is imported."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


class DefinitionError(HeijunkaError):
    """A definition is wrong where it is written."""


class DuplicateTask(DefinitionError):
    """Two tasks have one name."""

    task: str


class InvalidName(DefinitionError):
    """A name has characters it cannot have."""

    name: str


class InvalidOption(DefinitionError, ValueError):
    """An option has a value it cannot have."""

    option: str


class UnresolvedAnnotation(DefinitionError):
    """An annotation of a task cannot be resolved."""

    task: str
