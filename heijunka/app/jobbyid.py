"""A handle of a job of which only the id is known: from a log, or from an operator.

Its domain is not known either, so every domain of the application is looked at. Its result is not for this handle:
only a task knows the type (`task.job(id).result()`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heijunka import wire
from heijunka.app.cancel import Cancellation, acancelled, cancelled
from heijunka.app.locate import UNKNOWN, Place, alocated, located

if TYPE_CHECKING:
    from heijunka.app.application import Heijunka


class JobById:
    """A handle of a job of which only the id is known; `app.job` makes it.

    Parameters:
        app: whose job it is.
        job_id: 16 bytes.

    Example:
        >>> app.job("018f2c3e-0000-7000-8000-000000000001").cancel()  # doctest: +SKIP
        'cancelled'
    """

    __slots__ = ("_app", "_id")

    def __init__(self, app: Heijunka, job_id: bytes) -> None:
        self._app, self._id = app, job_id

    @property
    def id(self) -> str:
        """The job's id, a UUIDv7."""
        return wire.id_text(self._id)

    def status(self) -> Place:
        """Where the job is now.

        Returns:
            Its state and what is known of it; see `heijunka.app.locate.Place`.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> app.job(job_id).status().state  # doctest: +SKIP
            'queued'
        """
        places = (located(self._app.connections.client, self._app.keys(each), self._id) for each in self._app.domains)
        return next((place for place in places if place != UNKNOWN), UNKNOWN)

    async def astatus(self) -> Place:
        """Where the job is now. See `status`.

        Returns:
            Its state and what is known of it.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> (await app.job(job_id).astatus()).state  # doctest: +SKIP
            'queued'
        """
        aclient = (await self._app.connections.opened()).aclient
        for domain in self._app.domains:
            place = await alocated(aclient, self._app.keys(domain), self._id)
            if place != UNKNOWN:
                return place
        return UNKNOWN

    def cancel(self) -> Cancellation:
        """Cancel the job, wherever it is. See `heijunka.app.job.Job.cancel`.

        Returns:
            "cancelled", "cancelling", "ended" or "unknown"; see `heijunka.app.cancel.Cancellation`.

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> app.job(job_id).cancel()  # doctest: +SKIP
            'cancelled'
        """
        keep_ms = self._app.settings.keep_result_ms
        client = self._app.connections.client
        for domain in self._app.domains:
            said = cancelled(client, self._app.keys(domain), self._id, keep_ms=keep_ms)
            if said != "unknown":
                return said
        return "unknown"

    async def acancel(self) -> Cancellation:
        """Cancel the job, wherever it is. See `cancel`.

        Returns:
            "cancelled", "cancelling", "ended" or "unknown".

        Raises:
            BrokerError: Redis cannot be reached, or answered with an error.

        Example:
            >>> await app.job(job_id).acancel()  # doctest: +SKIP
            'cancelled'
        """
        keep_ms = self._app.settings.keep_result_ms
        aclient = (await self._app.connections.opened()).aclient
        for domain in self._app.domains:
            said = await acancelled(aclient, self._app.keys(domain), self._id, keep_ms=keep_ms)
            if said != "unknown":
                return said
        return "unknown"

    def __repr__(self) -> str:
        return f"<JobById {self.id} of {self._app.name}>"
