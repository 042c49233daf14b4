"""Calls that were not accepted. All but `Unconfirmed` say that Redis holds nothing of them."""

from __future__ import annotations

from heijunka.errors.base import HeijunkaError


class EnqueueError(HeijunkaError):
    """The call was not accepted."""


class NotEncodable(EnqueueError, TypeError):
    """An argument cannot be encoded."""

    task: str


class PayloadTooLarge(EnqueueError):
    """The encoded call is larger than max_payload."""

    size: int
    limit: int


class Unconfirmed(EnqueueError):
    """Redis did not confirm in time: the call may or may not have been accepted."""


class UnknownTask(EnqueueError):
    """The application has no such task."""

    task: str
