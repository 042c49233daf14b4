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


class Overloaded(EnqueueError):
    """There is no room in the domain now.

    Nothing of the call was accepted. Come back after `retry_after`, or let the call wait: `on_overload="wait"`.

    Attributes:
        domain: whose limit it is.
        priority: of the first job that was refused.
        load: the domain's; see docs/admission.md.
        limit: the load at which jobs of this priority are refused; None while the domain is drained.
        retry_after: when there should be room, in seconds.
        accepted: jobs of earlier thousands of the same `enqueue_many` that were accepted.
    """

    domain: str
    priority: str
    load: int
    limit: int | None
    retry_after: float
    accepted: int


class Draining(Overloaded):
    """The domain is being drained and takes no jobs."""


class Unconfirmed(EnqueueError):
    """Redis did not confirm in time: the call may or may not have been accepted."""


class UnknownTask(EnqueueError):
    """The application has no such task."""

    task: str
