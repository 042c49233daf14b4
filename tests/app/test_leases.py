"""Work that is not queued is admitted like jobs: for a block, for a call, or until a token is given back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from heijunka import Heijunka, commands
from heijunka.app import Lease
from heijunka.commands import Depths
from heijunka.errors import DefinitionError, Draining, InvalidName, InvalidOption, Overloaded
from heijunka.keys import DomainKeys
from heijunka.policies.admission import Limits, spelled
from tests.app.shop import whoami
from tests.fixtures.server import Driver
from tests.fixtures.waiting import wait_until

Read = Callable[[str], Depths]


def limit(redis: Driver, keys: DomainKeys, hard: int, *, soft: int | None = None, reserved: float = 0.0) -> None:
    redis.hset(keys.limits, "rule", spelled(Limits(soft, hard, reserved)))


@pytest.fixture
def payment(shop: Heijunka) -> DomainKeys:
    return shop.keys("payment")


def held(depths: Read) -> int:
    return depths("payment").leases


def test_a_block_holds_a_lease_and_gives_it_back(shop: Heijunka, depths: Read) -> None:
    with shop.admit("payment") as lease:
        assert 1 == held(depths)

    assert ("ok", 0.0, "payment", "normal") == (lease.state, lease.pressure, lease.domain, lease.priority)
    assert 0 == held(depths)
    assert {"granted_n": 1, "released_n": 1} == depths("payment").counters


def test_a_coroutine_holds_one_with_the_same_words(shop: Heijunka, depths: Read) -> None:
    async def story() -> None:
        async with shop, shop.admit("payment", priority="high", ttl="1m") as lease:
            assert 1 == await asyncio.to_thread(held, depths)
            assert "high" == lease.priority

    asyncio.run(story())

    assert 0 == held(depths)
    assert {"granted_h": 1, "released_h": 1} == depths("payment").counters


def test_what_is_raised_in_a_block_goes_on_and_the_lease_comes_back(shop: Heijunka, depths: Read) -> None:
    async def story() -> None:
        async with shop, shop.admit("payment"):
            raise KeyError("there")

    with pytest.raises(KeyError, match="here"), shop.admit("payment"):
        raise KeyError("here")
    with pytest.raises(KeyError, match="there"):
        asyncio.run(story())

    assert 0 == held(depths)


def test_leases_and_jobs_share_one_limit(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 2)
    whoami.enqueue()
    with shop.admit("payment"):
        with pytest.raises(Overloaded, match="no room for a normal job"):
            whoami.enqueue()
        with pytest.raises(Overloaded, match="payment has no room for normal work") as caught, shop.admit("payment"):
            pytest.fail("it was let in")

    facts = {"domain": "payment", "priority": "normal", "load": 2, "limit": 2, "retry_after": 1.0, "accepted": 0}
    assert facts == caught.value.facts
    whoami.enqueue()


def test_the_reserve_is_left_to_high(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 2, reserved=0.5)

    with shop.admit("payment"), pytest.raises(Overloaded), shop.admit("payment", priority="low"):
        pytest.fail("it was let in")
    with shop.admit("payment"), shop.admit("payment", priority="high"):
        pass


def test_above_the_soft_limit_the_lease_says_so(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 4, soft=1)

    with shop.admit("payment") as first, shop.admit("payment") as second:
        pass

    assert [("ok", 1.0, None), ("soft", 2.0, 1.0)] == [
        (lease.state, lease.pressure, lease.retry_after) for lease in (first, second)
    ]


def test_a_domain_that_is_drained_admits_nothing(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    redis.hset(payment.limits, "rule", spelled(Limits(), draining=True))

    with pytest.raises(Draining), shop.admit("payment", wait=60):
        pytest.fail("it was let in")


def test_a_token_gives_back_once_from_anywhere(shop: Heijunka, depths: Read) -> None:
    lease = shop.request_admission("payment")
    other = shop.request_admission("payment")

    assert ["released", "unknown"] == [shop.release_quota(lease.token) for _ in range(2)]
    assert "released" == shop.release_quota(other)
    assert {"granted_n": 2, "released_n": 2} == depths("payment").counters


def test_coroutines_take_and_give_back(shop: Heijunka, depths: Read) -> None:
    async def story() -> list[str]:
        async with shop:
            lease = await shop.arequest_admission("payment", ttl=5)
            return [await shop.arelease_quota(each) for each in (lease, lease.token)]

    assert ["released", "unknown"] == asyncio.run(story())


def test_what_is_given_back_too_late_has_expired(shop: Heijunka, depths: Read) -> None:
    lease = shop.request_admission("payment", ttl="1ms")
    wait_until(lambda: held(depths) == 0)

    assert ["expired", "expired"] == [shop.release_quota(lease) for _ in range(2)]
    assert {"granted_n": 1, "expired_n": 1} == depths("payment").counters


def test_a_lease_that_nobody_gives_back_comes_back_by_itself(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Read
) -> None:
    limit(redis, payment, 1)
    shop.request_admission("payment", ttl="1ms")
    wait_until(lambda: held(depths) == 0)

    with shop.admit("payment"):
        assert 1 == held(depths)

    assert {"granted_n": 2, "expired_n": 1, "released_n": 1} == depths("payment").counters


def test_who_waits_is_let_in_when_another_leaves(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 1)
    lease = shop.request_admission("payment")
    got: list[Lease] = []
    thread = threading.Thread(target=lambda: got.append(shop.request_admission("payment", wait=60)))
    thread.start()
    wait_until(lambda: redis.hexists(payment.limits, "waiting"))

    shop.release_quota(lease)
    thread.join()

    assert ["released"] == [shop.release_quota(lease) for lease in got]


def test_a_coroutine_that_waits_is_let_in_when_another_leaves(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Read
) -> None:
    limit(redis, payment, 1)

    async def story() -> None:
        async with shop:
            lease = await shop.arequest_admission("payment")
            waiting = [asyncio.create_task(shop.arequest_admission("payment", wait=60)) for _ in range(2)]
            await asyncio.to_thread(wait_until, lambda: redis.hexists(payment.limits, "waiting"))
            await shop.arelease_quota(lease)
            done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await shop.arelease_quota(done.pop().result())
            await shop.arelease_quota(await left.pop())

    asyncio.run(story())

    assert {"granted_n": 3, "released_n": 3} == {
        name: count for name, count in depths("payment").counters.items() if not name.startswith("refused")
    }


def test_waiting_ends(shop: Heijunka, redis: Driver, payment: DomainKeys) -> None:
    limit(redis, payment, 1)

    async def story() -> None:
        async with shop, shop.admit("payment", wait="20ms"):
            pytest.fail("it was let in")

    with shop.admit("payment"):
        with pytest.raises(Overloaded), shop.admit("payment", wait="20ms"):
            pytest.fail("it was let in")
        with pytest.raises(Overloaded):
            asyncio.run(story())


def test_a_coroutine_that_is_cancelled_gives_back_what_it_holds(shop: Heijunka, depths: Read) -> None:
    async def hold(inside: asyncio.Event) -> None:
        async with shop.admit("payment", ttl="1h"):
            inside.set()
            await asyncio.Event().wait()

    async def story() -> None:
        async with shop:
            inside = asyncio.Event()
            holder = asyncio.create_task(hold(inside))
            await inside.wait()
            holder.cancel()
            await asyncio.wait([holder])
            await asyncio.to_thread(wait_until, lambda: held(depths) == 0)

    asyncio.run(story())

    assert {"granted_n": 1, "released_n": 1} == depths("payment").counters


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("steps", range(8))
def test_a_coroutine_that_is_cancelled_anywhere_leaves_no_lease(
    shop: Heijunka, depths: Read, steps: int, again: bool
) -> None:
    """Also where nobody can know whether it was granted, and where whatever is awaited next is cancelled, too."""

    async def hold() -> None:
        async with shop.admit("payment", ttl="1h"):
            await asyncio.sleep(0)

    async def story() -> None:
        async with shop:
            async with shop.admit("payment"):
                pass  # a connection is there
            holder = asyncio.create_task(hold())
            for _ in range(steps):
                await asyncio.sleep(0)
            holder.cancel()
            if again:
                await asyncio.sleep(0)
                holder.cancel()
            await asyncio.wait([holder])
            await asyncio.gather(*shop._giving_back)
            assert 0 == await asyncio.to_thread(held, depths)

    asyncio.run(story())


def test_a_decorated_function_runs_only_with_a_lease(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Read
) -> None:
    limit(redis, payment, 1)

    @shop.admitted("payment")
    def refund(order: str, *, cents: int = 5) -> tuple[str, int, int]:
        """Pay back."""
        return order, cents, held(depths)

    assert ("A1", 7, 1) == refund("A1", cents=7)
    assert ("refund", "Pay back.") == (refund.__name__, refund.__doc__)
    with shop.admit("payment"), pytest.raises(Overloaded):
        refund("A2")
    assert 0 == held(depths)


def test_a_decorated_coroutine_function_stays_one(
    shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Read
) -> None:
    limit(redis, payment, 1)

    @shop.admitted("payment")
    async def refund(order: str) -> tuple[str, int]:
        return order, await asyncio.to_thread(held, depths)

    async def story() -> list[Any]:
        async with shop:
            first = await refund("A1")
            async with shop.admit("payment"):
                return [first, *await asyncio.gather(refund("A2"), return_exceptions=True)]

    first, second = asyncio.run(story())

    assert ("A1", 1) == first
    assert isinstance(second, Overloaded)
    assert asyncio.iscoroutinefunction(refund)


def test_a_generator_cannot_be_admitted_as_a_call(shop: Heijunka) -> None:
    def items() -> Any:
        yield 1

    with pytest.raises(DefinitionError, match="is a generator"):
        shop.admitted("payment")(items)


def test_one_gate_is_for_one_block_at_a_time(shop: Heijunka, depths: Read) -> None:
    gate = shop.admit("payment")

    with gate, pytest.raises(InvalidOption, match="held already"), gate:
        pytest.fail("it was entered twice")
    with gate:
        assert 1 == held(depths)
    assert 0 == held(depths)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"domain": "no spaces"}, InvalidName),
        ({"priority": "urgent"}, InvalidOption),
        ({"ttl": 0}, InvalidOption),
        ({"ttl": "soon"}, InvalidOption),
        ({"wait": -1}, InvalidOption),
    ],
)
def test_bad_options_are_refused_where_they_are_written(
    shop: Heijunka, options: dict[str, Any], error: type[Exception]
) -> None:
    given = {"domain": "payment"} | options
    for wants in (shop.admit, shop.admitted, shop.request_admission):
        with pytest.raises(error):
            wants(**given)


@pytest.mark.parametrize("token", ["", "payment", "payment:n1:5", "payment:x0123456789abcdef:5", 7, None])
def test_what_is_no_token_is_refused(shop: Heijunka, token: Any) -> None:
    with pytest.raises(InvalidOption, match="no token"):
        shop.release_quota(token)


def test_a_lease_is_left_to_its_ttl_when_redis_is_away(
    fresh_server: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """What the block returned or raised is not replaced by it."""
    server = fresh_server()
    app = Heijunka("away", redis_url=server.url, redis_timeout="100ms")

    def story() -> None:
        with app.admit("payment"):
            server.kill()
            raise KeyError("the block's own")

    with pytest.raises(KeyError, match="the block's own"):
        story()
    assert "was not given back and ends with its ttl" in caplog.text
    app.close()


def test_a_declared_domain_bounds_the_first_lease(redis_url: str, namespace: str) -> None:
    with Heijunka("declared", redis_url=redis_url, namespace=namespace) as app:
        app.domain("payment", hard_limit=1, reserved=0.0)
        with app.admit("payment") as lease, pytest.raises(Overloaded), app.admit("payment"):
            pytest.fail("it was let in")

    assert 1.0 == lease.pressure


def test_the_books_of_leases_balance(shop: Heijunka, redis: Driver, payment: DomainKeys, depths: Read) -> None:
    """Granted = released + expired + held, once somebody looked."""
    lasting = [shop.request_admission("payment") for _ in range(3)]
    shop.request_admission("payment", ttl="1ms")
    shop.release_quota(lasting[0])
    wait_until(lambda: held(depths) == 2)
    limit(redis, payment, 10)
    whoami.enqueue()

    counted = depths("payment")
    assert (4, 1, 1, 2) == (
        *(counted.counted(name) for name in ("granted_n", "released_n", "expired_n")),
        counted.leases,
    )
    assert 3 == counted.load


def test_what_a_receipt_and_a_reader_say_of_the_load_is_the_same(
    shop: Heijunka, redis: Driver, payment: DomainKeys
) -> None:
    limit(redis, payment, 10, soft=4)
    with shop.admit("payment"):
        job = whoami.enqueue()
        gauge = shop.connections.client.execute(commands.weigh(payment))

    assert gauge is not None
    assert 0.5 == job.admission.pressure == gauge.load / 4
