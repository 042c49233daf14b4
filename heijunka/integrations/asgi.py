"""Admission for web applications: a request is served while there is room for it, and told when to come back if not.

Pure ASGI, so it stands in front of Starlette, FastAPI, Django, Quart and Litestar alike. A request holds a lease from
before the application hears of it until its response is done, its client has gone away, or the application returned or
raised, whichever comes first. A server that is killed leaves its leases to their ttl.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, Final, Literal, get_args

from heijunka.app import Heijunka
from heijunka.app.lease import TTL, asked
from heijunka.clock import Duration
from heijunka.errors import BrokerError, InvalidOption, Overloaded, Unconfirmed
from heijunka.keys import Priority

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

WithoutRedis = Literal["refuse", "serve"]

LEASE: Final = "heijunka_lease"
"""Where in the scope a handler finds its `Lease`."""

COME_BACK_S: Final = 1.0
"""When to come back while Redis is away."""

log: Final = logging.getLogger("heijunka")


class AdmissionMiddleware:
    """Admits the HTTP requests of an ASGI application; the other kinds of connections pass.

    A request that is refused is answered 503 with a `Retry-After` in whole seconds, rounded up. Handlers find what
    they were granted in `scope["heijunka_lease"]`, a `Lease`.

    Parameters:
        app: the ASGI application that it stands in front of.
        heijunka: whose domains bound it.
        domain: whose load requests are part of; or what tells it from a request's scope, None for a request that
            needs no admission, such as a health check.
        priority: "high", "normal" or "low"; or what tells it from the scope.
        ttl: after how long a request's lease is over by itself; longer than requests take.
        wait: how long a request waits for room at most; 0 for not at all.
        without_redis: what becomes of requests while Redis cannot be asked: "refuse" or "serve" them.

    Raises:
        InvalidName: no domain can have this name.
        InvalidOption: a value is out of its range.

    Example:
        >>> web = AdmissionMiddleware(web, heijunka=app, domain="web", ttl="1m")  # doctest: +SKIP
        >>> starlette.add_middleware(AdmissionMiddleware, heijunka=app, domain="web")  # doctest: +SKIP
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        heijunka: Heijunka,
        domain: str | Callable[[Scope], str | None],
        priority: Priority | Callable[[Scope], Priority] = "normal",
        ttl: Duration = TTL,
        wait: Duration = 0,
        without_redis: WithoutRedis = "refuse",
    ) -> None:
        asked(domain if isinstance(domain, str) else "web", "high" if callable(priority) else priority, ttl, wait)
        if without_redis not in get_args(WithoutRedis):
            raise InvalidOption(
                f"without_redis {without_redis!r} is neither 'refuse' nor 'serve'", option="without_redis"
            )
        self._app, self._heijunka = app, heijunka
        self._domain: str | Callable[[Scope], str | None] = domain
        self._priority: Priority | Callable[[Scope], Priority] = priority
        self._ttl, self._wait, self._without_redis = ttl, wait, without_redis

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it.

        Parameters:
            scope: what the server knows of it.
            receive: gives what comes from the client.
            send: takes what goes to the client.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, self._closing(send) if scope["type"] == "lifespan" else send)
            return
        domain = self._domain if isinstance(self._domain, str) else self._domain(scope)
        if domain is None:
            await self._app(scope, receive, send)
            return
        priority: Priority = self._priority(scope) if callable(self._priority) else self._priority
        gate = self._heijunka.admit(domain, priority=priority, ttl=self._ttl, wait=self._wait)
        async with AsyncExitStack() as holding:
            try:
                scope = {**scope, LEASE: await holding.enter_async_context(gate)}
            except Overloaded as refused:
                await _refuse(send, refused.retry_after)
                return
            except (BrokerError, Unconfirmed) as trouble:
                log.warning("a request to %s could not be admitted: %s", domain, trouble)
                if self._without_redis == "refuse":
                    await _refuse(send, COME_BACK_S)
                    return
            await self._app(scope, _noticing(receive, holding), _finishing(send, holding))

    def _closing(self, send: Send) -> Send:
        """What closes the connections to Redis of this event loop when the application's life ends."""

        async def told(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await self._heijunka.connections.close_here()
            await send(message)

        return told


def _noticing(receive: Receive, holding: AsyncExitStack) -> Receive:
    """What gives the lease back when the application hears that the client has gone."""

    async def heard() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            await holding.aclose()
        return message

    return heard


def _finishing(send: Send, holding: AsyncExitStack) -> Send:
    """What gives the lease back when the last of the response was sent."""

    async def told(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await holding.aclose()

    return told


async def _refuse(send: Send, retry_after_s: float) -> None:
    seconds = str(max(1, math.ceil(retry_after_s))).encode()
    body = b"There is no room now; come back in %s s.\n" % seconds
    headers = [
        (b"retry-after", seconds),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
