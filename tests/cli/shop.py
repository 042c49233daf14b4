"""An application that commands of tests work with."""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pydantic

from heijunka import Heijunka

app = Heijunka("shop")


class Currency(enum.Enum):
    """What amounts are in."""

    EUR = "eur"
    YEN = "yen"


@dataclass
class Parcel:
    """What is delivered."""

    to: str
    grams: int = 0


class Customer(pydantic.BaseModel):
    """Who orders."""

    name: str
    age: int


@app.task(domain="payment")
def charge(order: UUID, amount: Decimal, currency: Currency = Currency.EUR, at: datetime | None = None) -> list[Any]:
    """Return what was passed."""
    return [order, amount, currency, at]


@app.task(domain="payment")
def note(text: str, times: int = 1, *, urgent: bool = False) -> str:
    """Return a text."""
    return f"{text * times}{'!' * urgent}"


@app.task(domain="delivery")
def deliver(parcel: Parcel, *stops: int, **notes: str) -> int:
    """Take every kind of parameter."""
    return parcel.grams + sum(stops) + len(notes)


@app.task(domain="delivery")
def greet(customer: Customer | None, anything: Any = None) -> None:
    """Take what anybody may pass."""


@app.task(domain="delivery", keep_result=None)
def forgetful(number: int) -> int:
    """Return something nobody keeps."""
    return number


@app.task(domain="delivery", attempts=1)
def refuse(why: str) -> None:
    """Fail with words of the caller's."""
    logging.getLogger("shop.delivery").warning("refusing: %s", why)
    raise ValueError(why)


def lines() -> Iterator[str]:
    """No task."""
    yield ""
