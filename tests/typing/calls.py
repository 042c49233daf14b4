"""Read by type checkers only: what is right passes, and each mistake is caught (an unused ignore is an error)."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type
from uuid import UUID

from heijunka import Heijunka, Job, task

app = Heijunka("shop")


@app.task(domain="payment", priority="high", timeout=30)
def charge(order: UUID, amount: Decimal) -> str:
    return f"{order} {amount}"


@app.task
async def send(to: str) -> int:
    return len(to)


@task
def bare() -> None: ...


@app.admitted("payment", priority="high")
def refund(order: UUID) -> str:
    return str(order)


@app.admitted("payment")
async def arefund(order: UUID) -> str:
    return str(order)


def right(order: UUID, amount: Decimal) -> None:
    assert_type(charge.enqueue(order, amount), Job[str])
    assert_type(charge.enqueue(order, amount=amount).result(timeout=5), str)
    assert_type(charge(order, amount), str)
    assert_type(charge.options(priority="low", delay="5m").enqueue(order, amount), Job[str])
    assert_type(send.enqueue("ada"), Job[int])
    assert_type(charge.enqueue_many([(order, amount)]), list[Job[str]])
    assert_type(bare.enqueue(), Job[None])
    assert_type(refund(order), str)
    with app.admit("payment") as lease:
        assert_type(lease.token, str)


async def right_too(order: UUID, amount: Decimal) -> None:
    assert_type(await charge.aenqueue(order, amount), Job[str])
    assert_type(await send("ada"), int)
    assert_type(await (await send.aenqueue("ada")).aresult(), int)
    assert_type(await arefund(order), str)
    async with app.admit("payment") as lease:
        assert_type(lease.pressure, float)


def wrong(order: UUID, amount: Decimal) -> None:
    charge.enqueue(order)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    charge.enqueue(amount, order)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    charge.enqueue(order, amount, colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    charge.options(priority="urgent")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    refund("A1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.admit("payment", priority="urgent")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    send.enqueue(to=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
