"""Bytes that came from Redis and are not what they should be. Whoever reads them decides what becomes of their job."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


class WireError(HeijunkaError):
    """Bytes are not what they should be."""


class UndecodableJob(WireError):
    """A job cannot be decoded."""


class UndecodableArguments(WireError):
    """A job's arguments do not fit its task's signature."""

    task: str
