"""Waiting without polling, for real jobs on a real server."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis as redis_py

from heijunka.broker.client import Client
from heijunka.broker.connection import Address
from heijunka.broker.listener import Listener
from heijunka.broker.subscription import Subscription
from heijunka.broker.watch import Waiter
from heijunka.errors import Closed, HeijunkaError, RedisAuthError, RedisDenied, RedisUnreachable, WrongKeyType
from heijunka.keys import DomainKeys
from heijunka.wire import id_text
from tests.fixtures.domain import Domain
from tests.fixtures.server import Server
from tests.fixtures.waiting import wait_until

Subscribe = Callable[..., Subscription]
FreshServer = Callable[..., Server]


@pytest.fixture
def domain(client: Client, keys: DomainKeys) -> Domain:
    return Domain(client, keys)


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    """Makes subscriptions; fails a test that leaves a thread of theirs behind."""
    made: list[Subscription] = []

    def subscribe(url: str, **settings: float) -> Subscription:
        made.append(Subscription(url, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield subscribe
    for subscription in made:
        subscription.close()
    wait_until(lambda: "heijunka-listener" not in {thread.name for thread in threading.enumerate()})


@pytest.fixture
def subscription(redis_url: str, subscribe: Subscribe) -> Subscription:
    return subscribe(redis_url)


def subscribers(redis: redis_py.Redis, *keys: str) -> list[int]:
    """How many connections are subscribed to each key's channel."""
    return [count for _, count in redis.pubsub_numsub(*keys)]


def connections(redis: redis_py.Redis) -> list[dict[str, Any]]:
    """Those of subscriptions of this process."""
    return [it for it in redis.client_list() if it["name"].endswith(f":{os.getpid()}") and ":waiter:" in it["name"]]


def waiters(subscription: Subscription) -> list[int]:
    """How many wait for each key."""
    assert subscription._listener is not None
    return [len(waiting) for waiting in tuple(subscription._listener._watch._waiters.values())]


def calls(redis: redis_py.Redis, command: str) -> int:
    """How often the server ran a command."""
    count: int = redis.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]
    return count


def subscriptions_so_far(redis: redis_py.Redis) -> int:
    """How often somebody subscribed, once the connections of earlier tests have gone."""
    wait_until(lambda: [] == connections(redis))
    return calls(redis, "subscribe")


def end(redis: redis_py.Redis, key: str, record: str = "record") -> None:
    """Do what `settle` does to the key of a job that ends."""
    redis.set(key, record, px=60_000)
    redis.publish(key, "")


class Waiting(threading.Thread):
    """Somebody who waits for ever; the subscriptions are there when it is made."""

    def __init__(self, subscription: Subscription, redis: redis_py.Redis, *keys: str) -> None:
        super().__init__(daemon=True)
        self._subscription, self._keys = subscription, keys
        self._got: list[object] = []
        self.start()
        wait_until(lambda: subscribers(redis, *keys) == [1] * len(keys))

    def run(self) -> None:
        try:
            self._got += self._subscription.wait_all(self._keys)
        except HeijunkaError as error:
            self._got.append(error)

    def outcome(self) -> list[object]:
        """What it got, when it has."""
        self.join(20)
        assert not self.is_alive()
        return self._got


# -- what waiting is -----------------------------------------------------------------------------


def test_a_wait_ends_when_the_job_is_settled(subscription: Subscription, domain: Domain, redis: redis_py.Redis) -> None:
    # given a job that somebody waits for
    (job_id,) = domain.accept()
    key = domain.keys.result(id_text(job_id))
    waiting = Waiting(subscription, redis, key)

    # when a worker settles it
    records = domain.finish(*domain.pull())

    # then the record is there, and nobody is subscribed any more
    assert records == waiting.outcome()
    wait_until(lambda: subscribers(redis, key) == [0])


def test_a_wait_ends_when_the_job_is_dead_lettered(
    subscription: Subscription, domain: Domain, redis: redis_py.Redis
) -> None:
    # given
    (job_id,) = domain.accept()
    waiting = Waiting(subscription, redis, domain.keys.result(id_text(job_id)))

    # when
    domain.bury(domain.pull()[0])

    # then
    assert [redis.get(domain.keys.result(id_text(job_id)))] == waiting.outcome()


def test_what_is_already_there_is_returned_without_subscribing(
    subscription: Subscription, domain: Domain, redis: redis_py.Redis
) -> None:
    # given
    (job_id,) = domain.accept()
    (record,) = domain.finish(*domain.pull())
    before = subscriptions_so_far(redis)

    # when
    found = subscription.wait(domain.keys.result(id_text(job_id)), 20)

    # then
    assert record == found
    assert before == calls(redis, "subscribe")


def test_a_wait_returns_none_when_its_time_is_over(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    assert subscription.wait(keys.result("never"), 0.05) is None
    wait_until(lambda: subscribers(redis, keys.result("never")) == [0])


def test_a_wait_of_no_time_looks_once_and_does_not_subscribe(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given
    end(redis, keys.result("ended"))
    before = subscriptions_so_far(redis)

    # when
    found = subscription.wait_all([keys.result("ended"), keys.result("running")], 0)

    # then
    assert [b"record", None] == found
    assert before == calls(redis, "subscribe")


def test_a_wait_for_nothing_is_over_at_once(subscription: Subscription) -> None:
    assert [] == subscription.wait_all([])
    assert [] == asyncio.run(subscription.awaited_all([]))


def test_a_thousand_keys_are_asked_for_together(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    """Not one round trip each: a call subscribes to all whose looks were answered together."""
    # given
    thousand = [keys.result(str(number)) for number in range(1_000)]
    before = subscriptions_so_far(redis)

    # when
    waiting = Waiting(subscription, redis, *thousand)
    assert calls(redis, "subscribe") - before <= 20
    for key in thousand:
        end(redis, key, record=key)

    # then
    assert [key.encode() for key in thousand] == waiting.outcome()


def test_a_wait_for_many_whose_time_is_over_returns_those_that_came(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    end(redis, keys.result("a"))
    assert [b"record", None, b"record"] == subscription.wait_all(
        [keys.result("a"), keys.result("b"), keys.result("a")], 0.05
    )


# -- one connection for everybody ----------------------------------------------------------------


def test_two_hundred_waiters_in_threads_and_event_loops_share_one_subscribed_connection(
    subscription: Subscription, domain: Domain, redis: redis_py.Redis
) -> None:
    # given 50 jobs, each waited for by two threads and by a task of each of two event loops
    channels = [domain.keys.result(id_text(job_id)) for job_id in domain.accept(50)]

    async def await_all() -> list[bytes | None]:
        return await asyncio.gather(*(subscription.awaited(key, 30) for key in channels))

    with ThreadPoolExecutor(102) as pool:
        loops = [pool.submit(asyncio.run, await_all()) for _ in range(2)]
        threads = [pool.submit(subscription.wait, key, 30) for key in channels * 2]
        wait_until(lambda: subscribers(redis, *channels) == [1] * 50)
        wait_until(lambda: [4] * 50 == waiters(subscription))

        # then one connection is subscribed to all of them, and one looks
        assert [0, 50] == sorted(int(connection["sub"]) for connection in connections(redis))

        # when the jobs are done
        records = domain.finish(*domain.pull(50))

        # then everybody has them
        assert records * 2 == [future.result() for future in threads]
        assert [records] * 2 == [future.result() for future in loops]
    wait_until(lambda: subscribers(redis, *channels) == [0] * 50)


def test_the_last_of_a_keys_waiters_unsubscribes(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    """A cancelled task leaves, and the others keep the subscription."""
    key = keys.result("a")

    async def two_wait() -> None:
        # given
        tasks = [asyncio.create_task(subscription.awaited(key)) for _ in range(2)]
        await _until(lambda: subscribers(redis, key) == [1])

        # when one is cancelled
        await _cancelled(tasks.pop())
        await asyncio.to_thread(_heard_of_everything, subscription)

        # then the other is still served
        assert [1] == subscribers(redis, key)

        # when that is cancelled, too
        await _cancelled(tasks.pop())

        # then nobody is subscribed
        await _until(lambda: subscribers(redis, key) == [0])

    asyncio.run(two_wait())


async def _until(holds: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, holds)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _heard_of_everything(subscription: Subscription) -> None:
    """Return when the listener has done all that it was told: a look is answered after it."""
    assert subscription.wait("nobody ends this", 0) is None


# -- races ---------------------------------------------------------------------------------------


def test_no_end_is_missed_whenever_it_comes(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    """Jobs end at any moment around the look, the subscription and the look after it."""
    # given somebody who ends what is named, after more or less dawdling
    chance = random.Random(7)
    names = [keys.result(str(number)) for number in range(300)]
    gate = threading.Barrier(2)

    def ends() -> None:
        for name in names:
            gate.wait(20)
            for _ in range(chance.randrange(6)):
                redis.ping()
            end(redis, name, record=name)

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(ends)

        # when each is waited for while it ends
        found = []
        for name in names:
            gate.wait(20)
            found.append(subscription.wait(name, 20))
        ending.result()

    # then none is missed
    assert [name.encode() for name in names] == found


@pytest.mark.faults
def test_an_end_whose_announcement_was_lost_with_the_connection_is_seen(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given
    key = keys.result("a")
    waiting = Waiting(subscription, redis, key)

    # when the job ends in the same step in which the connections are cut
    cut_and_end = redis.pipeline(transaction=True)
    for connection in connections(redis):
        cut_and_end.client_kill_filter(_id=connection["id"])
    cut_and_end.set(key, "record", px=60_000)
    cut_and_end.publish(key, "")
    *_, heard = cut_and_end.execute()

    # then nobody heard of it, and it is seen all the same
    assert 0 == heard
    assert [b"record"] == waiting.outcome()


@pytest.mark.faults
def test_a_cut_connection_is_replaced_and_what_ends_later_is_announced_there(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given
    waiting = Waiting(subscription, redis, keys.result("a"), keys.result("b"))
    end(redis, keys.result("a"))

    # when
    for connection in connections(redis):
        redis.client_kill_filter(_id=connection["id"])
    wait_until(lambda: subscribers(redis, keys.result("b")) == [1])
    end(redis, keys.result("b"))

    # then
    assert [b"record", b"record"] == waiting.outcome()


# -- Redis away ----------------------------------------------------------------------------------


@pytest.mark.faults
def test_waits_outlive_a_restart_of_redis(fresh_server: FreshServer, subscribe: Subscribe) -> None:
    # given
    server = fresh_server()
    subscription = subscribe(server.url)
    with server.driver() as redis:
        waiting = Waiting(subscription, redis, "a", "b")

    # when
    server.stop()
    server.start()

    # then what ends afterwards is seen
    with server.driver() as redis:
        end(redis, "a")
        wait_until(lambda: subscribers(redis, "b") == [1])
        end(redis, "b")
    assert [b"record", b"record"] == waiting.outcome()


@pytest.mark.faults
def test_a_wait_whose_time_is_over_while_redis_is_away_says_so(fresh_server: FreshServer, subscribe: Subscribe) -> None:
    """Nobody can know whether the job has ended: that is not the same as that it has not."""
    # given a wait that Redis answered once
    server = fresh_server()
    subscription = subscribe(server.url)
    assert subscription.wait("a", 0) is None

    # when
    server.stop()

    # then
    with pytest.raises(RedisUnreachable, match="cannot be reached") as refused:
        subscription.wait("a", 0.05)
    assert server.url == refused.value.url
    with pytest.raises(RedisUnreachable):
        asyncio.run(subscription.awaited("a", 0.05))


@pytest.mark.faults
def test_a_wait_does_not_hang_on_a_redis_that_accepts_and_says_nothing(
    fresh_server: FreshServer, subscribe: Subscribe
) -> None:
    # given
    server = fresh_server()
    subscription = subscribe(server.url)
    assert subscription.wait("a", 0) is None

    # when
    server.freeze()

    # then
    with pytest.raises(RedisUnreachable, match="no answer"):
        subscription.wait("a", 0)
    server.thaw()
    assert subscription.wait("a", 0) is None


@pytest.mark.faults
def test_a_connection_that_has_gone_silent_is_noticed_and_replaced(
    fresh_server: FreshServer, subscribe: Subscribe
) -> None:
    """A host that vanishes closes nothing: without asking, the wait would never learn of it."""
    # given
    server = fresh_server()
    subscription = subscribe(server.url, beat_s=0.05)
    with server.driver() as redis:
        waiting = Waiting(subscription, redis, "a")
        before = {connection["id"] for connection in connections(redis)}

    # when
    server.freeze()
    wait_until(lambda: subscription._listener.trouble is not None)  # type: ignore[union-attr]
    server.thaw()

    # then
    with server.driver() as redis:
        wait_until(lambda: not before & {connection["id"] for connection in connections(redis)})
        end(redis, "a")
    assert [b"record"] == waiting.outcome()


@pytest.mark.faults
@pytest.mark.parametrize("line", ["_ears", "_eyes"])
def test_one_connection_that_has_gone_silent_is_enough(
    fresh_server: FreshServer, subscribe: Subscribe, line: str
) -> None:
    """What lies between us and Redis may forget one of them only."""
    # given
    server = fresh_server()
    subscription = subscribe(server.url, beat_s=0.05)
    with server.driver() as redis:
        waiting = Waiting(subscription, redis, "a")
        before = {connection["id"] for connection in connections(redis)}

        # when one of them leads nowhere
        here, nowhere = socket.socketpair()
        here.setblocking(False)
        getattr(subscription._listener, line)._socket = here

        # then
        with here, nowhere:
            wait_until(lambda: not before & {connection["id"] for connection in connections(redis)})
        end(redis, "a")
    assert [b"record"] == waiting.outcome()


def test_a_quiet_connection_that_answers_is_kept(fresh_server: FreshServer, subscribe: Subscribe) -> None:
    # given
    server = fresh_server()
    subscription = subscribe(server.url, beat_s=0.01)
    with server.driver() as redis:
        waiting = Waiting(subscription, redis, "a")
        before = {connection["id"] for connection in connections(redis)}

        # when it is asked for a word many times
        wait_until(lambda: calls(redis, "ping") >= 20)

        # then
        assert before == {connection["id"] for connection in connections(redis)}
        end(redis, "a")
    assert [b"record"] == waiting.outcome()


# -- refused -------------------------------------------------------------------------------------


def test_a_wrong_password_ends_the_wait_at_once(fresh_server: FreshServer, subscribe: Subscribe) -> None:
    # given
    server = fresh_server()
    with server.driver() as redis:
        redis.config_set("requirepass", "secret")

    # then
    with pytest.raises(RedisAuthError):
        subscribe(f"unix://:wrong@{server.socket}").wait("a")
    assert subscribe(f"unix://:secret@{server.socket}").wait("a", 0) is None


def test_a_user_who_may_not_subscribe_is_told_so(fresh_server: FreshServer, subscribe: Subscribe) -> None:
    # given
    server = fresh_server()
    with server.driver() as redis:
        redis.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "+@all", "~*", "resetchannels")
        end(redis, "there")
    subscription = subscribe(f"unix://reader:secret@{server.socket}")

    # then
    assert b"record" == subscription.wait("there")
    with pytest.raises(RedisDenied):
        subscription.wait("a")


def test_a_key_of_another_type_ends_the_waits_for_it_and_no_other(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given
    redis.lpush(keys.result("list"), "x")
    waiting = Waiting(subscription, redis, keys.result("a"))

    # then
    with pytest.raises(WrongKeyType):
        subscription.wait(keys.result("list"))
    end(redis, keys.result("a"))
    assert [b"record"] == waiting.outcome()
    redis.delete(keys.result("list"))


# -- coming and going ----------------------------------------------------------------------------


def test_an_interrupted_wait_leaves_nothing_behind(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given somebody who presses Ctrl-C as soon as we wait
    key = keys.result("a")

    def interrupt() -> None:
        wait_until(lambda: subscribers(redis, key) == [1])
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        interrupting = pool.submit(interrupt)

        # when
        with pytest.raises(KeyboardInterrupt):
            subscription.wait(key)
        interrupting.result()

    # then
    wait_until(lambda: subscribers(redis, key) == [0])
    end(redis, key)
    assert b"record" == subscription.wait(key, 20)


def test_a_closed_subscription_ends_its_waits_and_can_be_used_again(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given
    waiting = Waiting(subscription, redis, keys.result("a"))

    # when
    subscription.close()

    # then
    (error,) = waiting.outcome()
    assert Closed is type(error)
    wait_until(lambda: connections(redis) == [])
    assert subscription.wait(keys.result("a"), 0) is None


def test_closing_what_was_never_used_or_is_closed_does_nothing(subscription: Subscription) -> None:
    subscription.close()
    subscription.close()
    assert "heijunka-listener" not in {thread.name for thread in threading.enumerate()}


def test_with_nobody_waiting_the_thread_ends_and_the_next_wait_starts_another(
    redis_url: str, subscribe: Subscribe, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given
    subscription = subscribe(redis_url, linger_s=0.01)
    assert subscription.wait(keys.result("a"), 0) is None

    # when
    wait_until(lambda: "heijunka-listener" not in {thread.name for thread in threading.enumerate()})

    # then
    wait_until(lambda: connections(redis) == [])
    end(redis, keys.result("a"))
    assert b"record" == subscription.wait(keys.result("a"), 20)


def test_waits_that_come_just_when_the_thread_ends_are_served(
    redis_url: str, subscribe: Subscribe, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given a thread that ends whenever nobody waits
    subscription = subscribe(redis_url, linger_s=0.0)
    end(redis, keys.result("a"))

    # then
    assert [b"record"] * 100 == [subscription.wait(keys.result("a"), 20) for _ in range(100)]


def test_a_wait_that_comes_after_the_last_look_around_and_before_the_end_is_served(
    redis_url: str, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given a thread that is about to end, because nobody waits any more
    end(redis, keys.result("a"))
    listener = Listener(Address(redis_url, role="waiter"), linger_s=0.0)
    first, late = Waiter([keys.result("a").encode()]), Waiter([keys.result("a").encode()])
    gate = Gate(threading.get_ident(), lambda: listener.take(late))
    listener._gate = gate  # type: ignore[assignment]

    # when somebody comes at that moment
    listener.start(first)

    # then
    assert late.exception(20) is None
    assert [True] == gate.answers


class Gate:
    """A lock before which something happens the first time that another thread than `mine` comes by."""

    def __init__(self, mine: int, happens: Callable[[], object]) -> None:
        self._lock, self._mine, self._happens = threading.Lock(), mine, happens
        self._came = False
        self.answers: list[object] = []

    def __enter__(self) -> None:
        if threading.get_ident() != self._mine and not self._came:
            self._came = True
            self.answers.append(self._happens())
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_fork_waits_on_connections_of_its_own(
    subscription: Subscription, keys: DomainKeys, redis: redis_py.Redis
) -> None:
    # given a parent that waits
    waiting = Waiting(subscription, redis, keys.result("parent's"))
    mine = {connection["id"] for connection in connections(redis)}

    # when it forks just while a thread is about to wait, and its child waits for something else
    with subscription._lock:
        child = _forked(lambda: subscription.wait(keys.result("child's"), 20))
    wait_until(lambda: subscribers(redis, keys.result("child's")) == [1])
    end(redis, keys.result("child's"), record="for the child")

    # then the child has it, and the parent's connections are as they were
    assert b"for the child" == child()
    assert mine == {connection["id"] for connection in connections(redis)}
    end(redis, keys.result("parent's"))
    assert [b"record"] == waiting.outcome()


def _forked(work: Callable[[], bytes | None]) -> Callable[[], bytes]:
    """Do `work` in a fork; answers with what it returned."""
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tried here
        child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(40)  # a child that hangs must not outlive its test
        try:
            os.write(writes, work() or b"")
        except BaseException:  # noqa: BLE001 - nothing of the test runner may run in the child
            os.write(writes, traceback.format_exc().encode())
        os._exit(0)
    os.close(writes)

    def answer() -> bytes:
        with os.fdopen(reads, "rb") as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        return said

    return answer
