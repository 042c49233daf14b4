"""A call becomes a job, or an error where it was made, and nothing in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import redis

from heijunka import Heijunka, Outgoing
from heijunka.commands import Depths
from heijunka.errors import NotEncodable, PayloadTooLarge, RedisFull, RedisUnreachable
from tests.app.shop import charge, deliver, send, whoami
from tests.fixtures.server import Server, driver

ORDER = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing a required argument: 'order'"),
        ((ORDER,), {}, "missing a required argument: 'amount'"),
        ((ORDER, Decimal(1), None, None, 5), {}, "too many positional arguments"),
        ((ORDER, Decimal(1)), {"colour": "red"}, "got an unexpected keyword argument 'colour'"),
        ((ORDER, Decimal(1)), {"order": ORDER}, "multiple values for argument 'order'"),
    ],
)
def test_a_wrong_call_is_a_type_error_before_redis(args: Any, kwargs: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        charge.enqueue(*args, **kwargs)


def test_what_cannot_be_encoded_is_named() -> None:
    with pytest.raises(NotEncodable, match="argument 'amount' of charge") as caught:
        charge.enqueue(ORDER, object())  # type: ignore[arg-type]  # the mistake under test
    assert isinstance(caught.value, TypeError)


def test_a_payload_that_is_too_large_tells_its_size(shop: Heijunka, depths: Callable[[str], Depths]) -> None:
    with pytest.raises(PayloadTooLarge, match=r"take 300,0\d\d bytes, more than max_payload, 262,144") as caught:
        deliver.enqueue("x" * 300_000)  # type: ignore[arg-type]  # encodes all the same
    assert caught.value.size > caught.value.limit == shop.max_payload
    assert 0 == depths("payment").load


def test_priorities_and_delays_find_their_place(shop: Heijunka, depths: Callable[[str], Depths]) -> None:
    charge.enqueue(ORDER, Decimal(1))
    charge.options(priority="low").enqueue(ORDER, Decimal(2))
    charge.options(delay="5m").enqueue(ORDER, Decimal(3))

    held = depths("payment")

    assert ({"high": 1, "normal": 0, "low": 1}, 1, 2) == (held.ready, held.scheduled, held.load)
    assert shop.domains == ("payment", "mail")


def test_thousands_go_in_a_few_calls(shop: Heijunka, depths: Callable[[str], Depths]) -> None:
    calls = _calls_of(shop)

    jobs = whoami.enqueue_many([()] * 2_500)

    assert 3 == calls()
    assert (2_500, 2_500) == (len({job.id for job in jobs}), depths("payment").load)


def test_many_takes_tuples_and_mappings_only() -> None:
    with pytest.raises(TypeError, match=r"write \('ada',\)"):
        send.enqueue_many(["ada"])  # type: ignore[list-item]  # the mistake under test


def test_concurrent_callers_share_round_trips(shop: Heijunka, depths: Callable[[str], Depths]) -> None:
    async def story() -> None:
        await asyncio.gather(*(send.aenqueue(str(number)) for number in range(500)))
        await shop.connections.aclient.close()

    calls = _calls_of(shop)
    asyncio.run(story())

    assert 500 == depths("mail").load
    assert calls() < 50


def test_a_cancelled_caller_does_not_disturb_the_others(shop: Heijunka, depths: Callable[[str], Depths]) -> None:
    async def story() -> None:
        first = asyncio.ensure_future(send.aenqueue("first"))
        others = [asyncio.ensure_future(send.aenqueue(str(number))) for number in range(20)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(*others)
        assert first.cancelled()
        await shop.connections.aclient.close()

    asyncio.run(story())

    assert depths("mail").load in {20, 21}


def test_middleware_stands_around_enqueue() -> None:
    app = Heijunka("shop", redis_url="unix:///nowhere/s", redis_timeout="10ms")
    seen: list[str] = []

    @app.task
    def charge() -> None: ...

    @app.around_enqueue
    @contextlib.contextmanager
    def outer(jobs: Sequence[Outgoing]) -> Iterator[None]:
        seen.append(f"{jobs[0].task} {len(jobs[0].id)}")
        try:
            yield
        except RedisUnreachable:
            seen.append("told")
            raise

    with pytest.raises(RedisUnreachable):
        charge.enqueue()
    assert ["charge 36", "told"] == seen


def test_an_unreachable_redis_is_an_error_within_the_time() -> None:
    app = Heijunka("shop", redis_url="redis://:secret@127.0.0.1:1/0", redis_timeout="50ms")

    @app.task
    def charge() -> None: ...

    with pytest.raises(RedisUnreachable) as caught:
        charge.enqueue()
    assert "secret" not in str(caught.value)
    with pytest.raises(RedisUnreachable):
        asyncio.run(charge.aenqueue())


def test_a_full_redis_refuses_and_has_written_nothing(fresh_server: Callable[..., Server]) -> None:
    server = fresh_server()
    with Heijunka("full", redis_url=server.url) as app, driver(server.url) as looking:

        @app.task
        def charge() -> None: ...

        charge.enqueue()
        before = _dump(looking)
        looking.config_set("maxmemory", 1)

        with pytest.raises(RedisFull, match="nothing was written"):
            charge.enqueue()

        looking.config_set("maxmemory", 0)
        assert before == _dump(looking)


def _dump(looking: redis.Redis) -> dict[str | bytes, object]:
    return {key: looking.dump(key) for key in looking.scan_iter()}


def _calls_of(app: Heijunka) -> Callable[[], int]:
    """How many scripts Redis has run since now."""

    def count() -> int:
        stats = app.connections.client.plain("INFO", "commandstats").decode()
        line = next((line for line in stats.splitlines() if line.startswith("cmdstat_evalsha:")), "calls=0,")
        return int(line.split("calls=")[1].split(",")[0])

    before = count()
    return lambda: count() - before
