"""Heijunka: a Redis-backed task queue that levels load."""

from heijunka._version import __version__

__all__ = ["__version__"]
