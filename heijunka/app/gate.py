"""Hold a lease while a block runs, in threads and in coroutines alike.

What happens to the lease never replaces what happens in the block: a lease that cannot be given back, because Redis is
away, is left to its ttl, with a line in the log. Leaving a block does not wait for Redis: see `Client.post`.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import TYPE_CHECKING, Final

from heijunka.app.lease import Asked, Held, Lease, held
from heijunka.broker.conversation import Patience
from heijunka.errors import BrokerError, EnqueueError, InvalidOption

if TYPE_CHECKING:
    from heijunka.app.admitting import Admitting

log: Final = logging.getLogger("heijunka")

PATIENCE_S: Final = 1.0
"""How long a block is held up by a Redis that is away. Its quota comes back by itself anyway."""


class Gate:
    """What `app.admit` returns; enter it with `with` or `async with`, for one block at a time.

    Parameters:
        app: the application.
        asked: what is to be admitted.

    Example:
        >>> async def answer() -> str:
        ...     async with app.admit("payment") as lease:
        ...         return lease.state
    """

    __slots__ = ("_app", "_asked", "_lease")

    def __init__(self, app: Admitting, asked: Asked) -> None:
        self._app, self._asked = app, asked
        self._lease: Lease | None = None

    def __enter__(self) -> Lease:
        self._require_free()
        self._lease = self._app._request(self._asked)  # noqa: SLF001 - the other half of one thing
        return self._lease

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        mine = self._taken()
        try:
            self._app._post_back(mine, Patience(PATIENCE_S))  # noqa: SLF001
        except (BrokerError, EnqueueError) as trouble:
            _left(mine, trouble)

    async def __aenter__(self) -> Lease:
        self._require_free()
        self._lease = await self._app._arequest(self._asked)  # noqa: SLF001
        return self._lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        mine = self._taken()
        try:
            await self._app._agive_back(mine, Patience(PATIENCE_S))  # noqa: SLF001
        except (BrokerError, EnqueueError) as trouble:
            _left(mine, trouble)
        except asyncio.CancelledError:
            self._app._give_back_later(mine)  # noqa: SLF001
            raise

    def _require_free(self) -> None:
        if self._lease is not None:
            raise InvalidOption(
                "this admission is held already", hint="call app.admit(...) for each block", option="admit"
            )

    def _taken(self) -> Held:
        lease, self._lease = self._lease, None
        assert lease is not None, "left without having been entered"  # noqa: S101 - Python enters before it leaves
        return held(lease)


def _left(mine: Held, trouble: Exception) -> None:
    log.warning("an admission lease of %s was not given back and ends with its ttl: %s", mine.domain, trouble)
