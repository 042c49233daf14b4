"""An application whose domain holds dead letters of known kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from heijunka import Heijunka, wire
from heijunka.control.dead import DeadLetters
from heijunka.keys import DomainKeys
from tests.fixtures.letters import bury, failure
from tests.fixtures.server import Driver

Dead = Callable[..., str]


@pytest.fixture
def app(redis_url: str, namespace: str) -> Iterator[Heijunka]:
    """An application with two tasks in one domain."""
    app = Heijunka("till", redis_url=redis_url, namespace=namespace, max_payload="1KiB")

    @app.task(domain="payment", priority="high")
    def charge(order: UUID, amount: Decimal, at: datetime | None = None, photo: bytes = b"", *notes: str) -> None:
        """Take money."""

    @app.task(domain="payment")
    def refund(order: str) -> None:
        """Give it back."""

    yield app
    app.close()


@pytest.fixture
def dead(app: Heijunka) -> DeadLetters:
    """What is tried."""
    return app.control.dead


@pytest.fixture
def die(redis: Driver, keys: DomainKeys) -> Dead:
    """Lets a job die: `die("charge", {"order": …}, reason="poison")`; its letter's entry id."""

    def died(
        task: str = "refund",
        args: dict[str, Any] | None = None,
        *,
        reason: str = "retries",
        message: str = "no such card",
        traceback: str = "",
        at: int | None = None,
        **known: Any,
    ) -> str:
        encoded = msgspec.msgpack.encode({"order": "A1"} if args is None else args)
        job = wire.Job(wire.FORMAT, wire.new_id(), task, wire.raw(encoded), 5, **known)
        record = failure(reason, message, traceback=traceback)
        return bury(redis, keys, wire.encode_job(job), reason=reason, record=record, at=at)

    return died
