"""An application that worker processes of tests run."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pydantic

from heijunka import CurrentJob, Heijunka, Reject, Retry, Snooze, current_job

app = Heijunka("shop")

LIFE: list[str] = []


class Currency(enum.Enum):
    """What amounts are in."""

    EUR = "eur"
    YEN = "yen"


@dataclass
class Receipt:
    """What a charge returns."""

    order: UUID
    amount: Decimal
    currency: Currency
    at: datetime | None = None


class Parcel(msgspec.Struct):
    """What is delivered."""

    to: str
    grams: int = 0


class Customer(pydantic.BaseModel):
    """Who orders."""

    name: str
    age: int


class CardRefused(Exception):
    """Trying again would not help."""


@app.task(domain="payment", priority="high", timeout=30)
def charge(order: UUID, amount: Decimal, currency: Currency = Currency.EUR, at: datetime | None = None) -> Receipt:
    """Return what was passed, in its types."""
    return Receipt(order, amount, currency, at)


@app.task(domain="payment")
def deliver(parcel: Parcel, *stops: str, express: bool = False, **notes: str) -> tuple[str, int, tuple[str, ...], bool]:
    """Take every kind of parameter."""
    return parcel.to, parcel.grams, (*stops, *(f"{key}={note}" for key, note in notes.items())), express


@app.task(domain="payment")
def greet(customer: Customer) -> Customer:
    """Take and return a pydantic model."""
    return Customer(name=customer.name.upper(), age=customer.age + 1)


@app.task(domain="payment", attempts=3, retry_base="1ms", retry_cap="1ms")
def flaky(fails: int) -> int:
    """Fail some times, then return the attempt that did not."""
    if current_job().attempt <= fails:
        raise ConnectionError(f"attempt {current_job().attempt}")
    return current_job().attempt


@app.task(domain="payment", attempts=3, retry_base="1ms", retry_cap="1ms")
def remember() -> list[tuple[int, str, str, str]]:
    """Fail twice, then return what is known of that."""
    job = current_job()
    if job.attempt <= 2:
        raise ConnectionError(f"attempt {job.attempt}")
    return [(error.attempt, error.error_type, error.message, error.worker) for error in job.errors]


@app.task(domain="payment", no_retry_on=CardRefused)
def refuse(how: str) -> None:
    """End in one of the ways a task can end."""
    if how == "final":
        raise CardRefused("stolen")
    if how == "reject":
        raise Reject("not ours")
    if how == "snooze":
        raise Snooze("1h")
    if how == "retry":
        raise Retry(after="2h")
    if how == "exit":
        raise SystemExit(3)
    if how == "nonsense":
        raise Retry(after="soon")
    raise ValueError(how)


@app.task(domain="payment", keep_result=None)
def forget() -> int:
    """Return something nobody keeps."""
    return 1


@app.task(domain="payment")
def odd_result() -> object:
    """Return what cannot be encoded."""
    return object()


@app.task(domain="payment")
def long_text(characters: int) -> str:
    """Return much."""
    return "x" * characters


@app.task(domain="payment")
def whoami() -> dict[str, str | int | None]:
    """Tell what the context says."""
    job = current_job()
    return {
        "id": job.id,
        "task": job.task,
        "domain": job.domain,
        "priority": job.priority,
        "attempt": job.attempt,
        "attempts": job.attempts,
        "deadline": None if job.deadline is None else job.deadline.isoformat(),
        "wrapped": ",".join(map(str, job.extra.get("around", []))),
        "life": ",".join(LIFE),
        "pid": os.getpid(),
    }


@app.task(domain="payment")
def hand_on() -> list[str]:
    """Enqueue other jobs: as it is, without a deadline, and with another."""
    two = whoami.options(deadline=None).enqueue_many([()])
    return [whoami.enqueue().id, two[0].id, whoami.options(deadline="3h").enqueue().id]


@app.task(domain="payment", on_expire="drop")
def perishable() -> str:
    """Do what is worth nothing when it is late."""
    return "in time"


@app.task(domain="mail")
async def pass_on() -> list[str]:
    """Enqueue other jobs from a coroutine and from one of its threads."""
    first = await whoami.aenqueue()
    return [first.id, (await asyncio.to_thread(whoami.enqueue)).id]


@app.task(domain="mail")
async def send(to: str, pause: float = 0.0) -> str:
    """A coroutine."""
    await asyncio.sleep(pause)
    return f"sent to {to} as {current_job().task}"


@app.task(domain="mail")
def print_out(text: str) -> str:
    """A plain function among coroutines."""
    return f"{text} by {current_job().task}"


@app.task(domain="mail", attempts=1)
async def bounce() -> None:
    """A coroutine that fails."""
    raise ConnectionError("no such mailbox")


@app.around_attempt
@contextlib.contextmanager
def outer(job: CurrentJob) -> Iterator[None]:
    """The outermost layer."""
    job.extra.setdefault("around", []).append("outer")
    yield


@app.around_attempt
@contextlib.contextmanager
def inner(job: CurrentJob) -> Iterator[None]:
    """The layer inside."""
    job.extra["around"].append("inner")
    yield


@app.lifespan
@contextlib.contextmanager
def pool() -> Iterator[None]:
    """Something every worker process opens."""
    LIFE.append("opened")
    yield
    LIFE.append("closed")
