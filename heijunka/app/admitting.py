"""Admit work that is not queued, such as what a request's handler does.

A lease counts in the domain's load like a job, and is judged by the same rules. Giving it back may be forgotten, or
done twice: it is over by itself when its ttl ends, and what is over is told and not an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from heijunka import commands
from heijunka.app.admission import no_room
from heijunka.app.gate import Gate
from heijunka.app.lease import TTL, Asked, Held, Lease, asked, held, leased, new_lease
from heijunka.app.sending import LOOK_AGAIN_S, Sending, overtaken
from heijunka.broker.conversation import Patience
from heijunka.clock import Duration
from heijunka.commands import Ended, Granted, Overtaken, Refused
from heijunka.errors import DefinitionError, HeijunkaError
from heijunka.keys import Priority

P = ParamSpec("P")
R = TypeVar("R")

OVERTAKES_S: Final = 0.1
"""How much later than another connection's a request may arrive that was sent before."""


class Admitting(Sending):
    """What admits work.

    Parameters:
        name: what it is called.
        settings: override every other source.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._giving_back: set[asyncio.Task[None]] = set()

    def admit(self, domain: str, *, priority: Priority = "normal", ttl: Duration = TTL, wait: Duration = 0) -> Gate:
        """Hold a lease for the length of a `with` or an `async with` block.

        Parameters:
            domain: whose load it is part of.
            priority: "high", "normal" or "low": high may also use what is reserved.
            ttl: after how long the lease is over by itself, should its holder die; longer than the work takes.
            wait: how long to wait for room at most; 0 for not at all.

        Returns:
            What to enter, for one block at a time. Entering it gives the `Lease`, or raises `Overloaded`; leaving it
            gives the lease back.

        Raises:
            InvalidName: no domain can have this name.
            InvalidOption: a value is out of its range.

        Example:
            >>> with app.admit("payment", priority="high") as lease:  # doctest: +SKIP
            ...     print(lease.state, lease.pressure)
        """
        return Gate(self, asked(domain, priority, ttl, wait))

    def admitted(
        self, domain: str, *, priority: Priority = "normal", ttl: Duration = TTL, wait: Duration = 0
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Let a function run only with a lease, which each of its calls holds. A decorator for `def` and `async def`.

        Parameters:
            domain: whose load the calls are part of.
            priority: "high", "normal" or "low".
            ttl: after how long the lease of a call is over by itself.
            wait: how long a call waits for room at most; 0 for not at all.

        Returns:
            What makes a function such a one, of the same type. Its calls raise `Overloaded` when there is no room.

        Raises:
            DefinitionError: what it decorates is a generator, whose work is not done when it returns.
            InvalidName: no domain can have this name.
            InvalidOption: a value is out of its range.

        Example:
            >>> @app.admitted("payment", priority="high")
            ... def refund(order: str) -> None: ...
        """
        wanted = asked(domain, priority, ttl, wait)

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
                raise DefinitionError(
                    f"{function.__qualname__} is a generator", hint=f'use "with app.admit({domain!r}):" in it'
                )
            coroutine: Callable[P, Any] = function
            if inspect.iscoroutinefunction(function):

                @wraps(function)
                async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                    async with Gate(self, wanted):
                        return await coroutine(*args, **kwargs)

                return awaited  # type: ignore[return-value]  # R is its coroutine

            @wraps(function)
            def called(*args: P.args, **kwargs: P.kwargs) -> R:
                with Gate(self, wanted):
                    return function(*args, **kwargs)

            return called

        return decorate

    def request_admission(
        self, domain: str, *, priority: Priority = "normal", ttl: Duration = TTL, wait: Duration = 0
    ) -> Lease:
        """Take a lease; `release_quota` gives it back. Where one block does both, use `admit`.

        Parameters:
            domain: whose load it is part of.
            priority: "high", "normal" or "low": high may also use what is reserved.
            ttl: after how long the lease is over by itself; longer than the work takes.
            wait: how long to wait for room at most; 0 for not at all.

        Returns:
            The lease, with its token and how full the domain is.

        Raises:
            Overloaded: there is no room; it says when to come back.
            InvalidName: no domain can have this name.
            InvalidOption: a value is out of its range.
            BrokerError: Redis refused it; there is no lease.
            Unconfirmed: Redis did not confirm in time; if there is a lease it ends with its ttl.

        Example:
            >>> lease = app.request_admission("payment", ttl="2m")  # doctest: +SKIP
            >>> app.release_quota(lease)  # doctest: +SKIP
            'released'
        """
        return self._request(asked(domain, priority, ttl, wait))

    async def arequest_admission(
        self, domain: str, *, priority: Priority = "normal", ttl: Duration = TTL, wait: Duration = 0
    ) -> Lease:
        """Take a lease. See `request_admission`.

        Parameters:
            domain: whose load it is part of.
            priority: "high", "normal" or "low": high may also use what is reserved.
            ttl: after how long the lease is over by itself; longer than the work takes.
            wait: how long to wait for room at most; 0 for not at all.

        Returns:
            The lease, with its token and how full the domain is.

        Raises:
            Overloaded: there is no room; it says when to come back.

        Example:
            >>> lease = await app.arequest_admission("payment", ttl="2m")  # doctest: +SKIP
            >>> await app.arelease_quota(lease)  # doctest: +SKIP
            'released'
        """
        return await self._arequest(asked(domain, priority, ttl, wait))

    def release_quota(self, token: Lease | str) -> Ended:
        """Give a lease back. Doing so twice, or too late, is harmless.

        Parameters:
            token: the lease, or its token.

        Returns:
            "released" when it was held until now; "expired" when its time was over; "unknown" when nobody held it,
            because it had been given back before.

        Raises:
            InvalidOption: the text is no token.
            BrokerError: Redis cannot be reached, or answered with an error; the lease ends with its ttl.

        Example:
            >>> app.release_quota(lease.token)  # doctest: +SKIP
            'released'
        """
        return self._give_back(held(token))

    async def arelease_quota(self, token: Lease | str) -> Ended:
        """Give a lease back. See `release_quota`.

        Parameters:
            token: the lease, or its token.

        Returns:
            "released", "expired" or "unknown".

        Raises:
            InvalidOption: the text is no token.

        Example:
            >>> await app.arelease_quota(lease.token)  # doctest: +SKIP
            'released'
        """
        return await self._agive_back(held(token))

    # -- what `Gate` calls ----------------------------------------------------------------------

    def _request(self, wanted: Asked) -> Lease:
        if not self._told:
            self.declare()
        keys, lease = self.keys(wanted.domain), new_lease(wanted.priority)
        reply = self.connections.client.execute(commands.grant(keys, lease, ttl_ms=wanted.ttl_ms))
        if isinstance(reply, Refused) and wanted.wait_ms and reply.reason != "draining":
            reply = self._waited(
                keys, lambda ms: commands.grant(keys, lease, ttl_ms=wanted.ttl_ms, waits_ms=ms), wanted.wait_ms
            )
        return _told(reply, wanted, lease)

    async def _arequest(self, wanted: Asked) -> Lease:
        if not self._told:
            await asyncio.to_thread(self.declare)
        lease = new_lease(wanted.priority)
        try:
            return await self._agranted(wanted, lease)
        except asyncio.CancelledError:
            self._give_back_later(Held(wanted.domain, lease, 0))  # nobody knows whether it was granted
            raise

    async def _agranted(self, wanted: Asked, lease: str) -> Lease:
        connections, keys = await self.connections.opened(), self.keys(wanted.domain)
        reply = await connections.aclient.execute(commands.grant(keys, lease, ttl_ms=wanted.ttl_ms))
        until = time.monotonic() + wanted.wait_ms / 1_000
        while isinstance(reply, Refused) and reply.reason != "draining":
            left = until - time.monotonic()
            if left <= 0:
                break
            again = commands.grant(keys, lease, ttl_ms=wanted.ttl_ms, waits_ms=max(1, round(left * 1_000)))
            reply = await connections.aclient.execute(again)
            if isinstance(reply, Refused):
                await connections.coalescer(keys).room.wait(min(LOOK_AGAIN_S, max(0.01, left)))
        return _told(reply, wanted, lease)

    def _give_back(self, mine: Held) -> Ended:
        command = commands.give_back(self.keys(mine.domain), mine.lease, over_ms=mine.over_ms)
        return _ended(self.connections.client.execute(command))

    def _post_back(self, mine: Held, patience: Patience) -> None:
        command = commands.give_back(self.keys(mine.domain), mine.lease, over_ms=mine.over_ms)
        self.connections.client.post(command, patience)

    async def _agive_back(self, mine: Held, patience: Patience | None = None) -> Ended:
        command = commands.give_back(self.keys(mine.domain), mine.lease, over_ms=mine.over_ms)
        return _ended(await (await self.connections.opened()).aclient.execute(command, patience))

    def _give_back_later(self, mine: Held) -> None:
        """Give a lease back in a task of its own: whoever held it is being cancelled, and may await nothing."""
        task = asyncio.get_running_loop().create_task(self._given_back(mine), name="heijunka-give-back")
        self._giving_back.add(task)
        task.add_done_callback(self._giving_back.discard)

    async def _given_back(self, mine: Held) -> None:
        with contextlib.suppress(HeijunkaError):  # it ends with its ttl
            if await self._agive_back(mine) == "unknown":  # a request that was cancelled may come after this one
                await asyncio.sleep(OVERTAKES_S)
                await self._agive_back(mine)


def _told(reply: Granted | Refused | Overtaken, wanted: Asked, lease: str) -> Lease:
    if isinstance(reply, Granted):
        return leased(reply, wanted, lease)
    if isinstance(reply, Overtaken):
        raise overtaken()
    raise no_room(reply, wanted.domain, wanted.priority, what=f"{wanted.priority} work")


def _ended(reply: Ended | Overtaken) -> Ended:
    if isinstance(reply, Overtaken):
        raise overtaken()
    return reply
