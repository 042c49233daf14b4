"""The blocking client against real servers that go away, freeze, forget, and lose replies."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from heijunka import commands
from heijunka.broker import scripts
from heijunka.broker.client import Channel, Client
from heijunka.broker.conversation import Patience
from heijunka.commands import Accepted
from heijunka.errors import RedisAuthError, RedisUnreachable, ScriptError, Unconfirmed
from heijunka.keys import DomainKeys
from tests.fixtures.chaosproxy import chaos_proxy
from tests.fixtures.samples import sample, samples
from tests.fixtures.server import Driver, Server
from tests.fixtures.waiting import wait_until

Fresh = Callable[..., Server]


def accept(
    client: Client | Channel, keys: DomainKeys, *jobs: bytes
) -> Accepted | commands.Refused | commands.Overtaken:
    words: list[str | bytes] = []
    for job in jobs:
        words += ("n", job)
    return client.execute(commands.enqueue(keys, words))


def added(driver: Driver, keys: DomainKeys) -> tuple[int, int]:
    """How many entries were ever added, and how many different jobs they are."""
    stream = keys.ready[1]
    blobs = [fields[b"j"] for _, fields in driver.xrange(stream)]
    return driver.xinfo_stream(stream)["entries-added"], len(set(blobs))


def connections(driver: Driver) -> list[str]:
    """The connections of producers, by their names."""
    return [each["name"] for each in driver.client_list() if each["name"].startswith("hj:producer")]


# -- lost replies -----------------------------------------------------------------------------------


def test_ten_thousand_jobs_are_accepted_once_though_replies_get_lost(fresh_server: Fresh, keys: DomainKeys) -> None:
    server, chance = fresh_server(), random.Random(4)
    jobs = samples(10_000)
    with chaos_proxy(server.socket) as proxy, Client(proxy.url) as client:
        for at in range(0, len(jobs), 5):
            if chance.random() < 0.05:  # one in a hundred jobs is in such a call
                proxy.lose(1, only=scripts.load("enqueue").sha.encode())
            accept(client, keys, *jobs[at : at + 5])

    assert proxy.lost > 50
    with server.driver() as driver:
        assert (10_000, 10_000) == added(driver, keys)


def test_a_request_that_arrives_after_its_repetition_does_nothing(fresh_server: Fresh, keys: DomainKeys) -> None:
    server, job, next_job = fresh_server(), sample(), sample()
    with chaos_proxy(server.socket) as proxy, Client(proxy.url) as client:
        accept(client, keys, sample())
        proxy.delay(scripts.load("enqueue").sha.encode())
        accept(client, keys, job)
        proxy.arrive()  # the same number: answered from memory
        proxy.delay(scripts.load("enqueue").sha.encode())
        accept(client, keys, next_job)
        accept(client, keys, sample())
        proxy.arrive()  # overtaken

    with server.driver() as driver:
        assert (4, 4) == added(driver, keys)


# -- Redis away -------------------------------------------------------------------------------------


def test_a_call_under_way_when_redis_is_killed_is_done_once_when_it_is_back(
    fresh_server: Fresh, keys: DomainKeys
) -> None:
    server = fresh_server(appendonly="yes", appendfsync="always")
    accepted: list[Any] = []
    with Client(server.url, timeout_s=20) as client:
        calls = threading.Thread(target=lambda: accepted.extend(accept(client, keys, job) for job in samples(300)))
        calls.start()
        for at in (50, 150):
            wait_until(lambda at=at: len(accepted) > at)  # type: ignore[misc]  # it is called before `at` is another
            server.kill()
            server.start()
        calls.join()

    with server.driver() as driver:
        assert (300, 300) == added(driver, keys)


def test_a_frozen_redis_is_an_unconfirmed_call_within_the_time_and_the_next_call_is_well(
    fresh_server: Fresh, keys: DomainKeys
) -> None:
    server, job = fresh_server(), sample()
    with Client(server.url, timeout_s=0.2) as client:
        accept(client, keys, sample())
        server.freeze()
        with pytest.raises(Unconfirmed, match="did not answer in time"):
            accept(client, keys, job)
        server.thaw()

        assert isinstance(accept(client, keys, sample()), Accepted)

    with server.driver() as driver:
        wait_until(lambda: added(driver, keys) == (3, 3))  # what was unconfirmed did happen, once


def test_emptied_script_caches_and_cut_connections_are_nobodys_business(fresh_server: Fresh, keys: DomainKeys) -> None:
    server, over = fresh_server(), threading.Event()

    def disturb() -> None:
        with server.driver() as driver:
            while not over.is_set():
                driver.script_flush()
                driver.client_kill_filter(_type="normal", skipme=True)
                over.wait(0.005)

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        with Client(server.url) as client:
            for job in samples(200):
                accept(client, keys, job)
    finally:
        over.set()
        disturbing.join()

    with server.driver() as driver:
        assert (200, 200) == added(driver, keys)


def test_a_busy_redis_is_waited_for(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server(**{"busy-reply-threshold": "1"})
    with server.driver() as foreign, server.driver() as driver, Client(server.url) as client:
        accept(client, keys, sample())
        slow = threading.Thread(
            target=lambda: foreign.eval("local n = 0 for i = 1, 40000000 do n = n + i end return 1", 0)
        )
        slow.start()
        accepted = accept(client, keys, sample())
        slow.join()

        assert isinstance(accepted, Accepted)
        assert (2, 2) == added(driver, keys)


def test_nobody_there_is_told_within_the_time_with_the_address_and_without_the_password() -> None:
    with (
        Client("redis://:secret@127.0.0.1:1/0", timeout_s=0.05) as client,
        pytest.raises(RedisUnreachable, match=r"redis://:\*\*\*@127\.0\.0\.1:1/0") as caught,
    ):
        client.plain("PING")

    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_told_at_once_and_not_repeated(fresh_server: Fresh) -> None:
    server = fresh_server(unixsocketperm="700")
    with server.driver() as driver:
        driver.config_set("requirepass", "right")

        with (
            Client(f"unix://:wrong@{server.socket}", timeout_s=3_600) as client,
            pytest.raises(RedisAuthError, match="refused the user or password"),
        ):
            client.plain("PING")

        driver.config_set("requirepass", "")


def test_a_cache_that_forgets_every_script_at_once_is_not_asked_for_ever(
    client: Client, redis: Driver, keys: DomainKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = scripts.load("depths")
    unknown = scripts.Script(**{name: getattr(script, name) for name in script.__struct_fields__} | {"sha": "f" * 40})
    monkeypatch.setattr(scripts, "load", lambda name: unknown)

    with pytest.raises(ScriptError, match="No matching script"):
        client.execute(commands.depths(keys), Patience(0))


# -- threads, signals and forks ---------------------------------------------------------------------


def test_another_thread_may_end_a_call_that_blocks(redis_url: str, redis: Driver, keys: DomainKeys) -> None:
    with Client(redis_url, role=keys.namespace) as client:
        channel, met = client.blocking(longest_s=3_600), []

        def wait() -> None:
            try:
                channel.plain("BLPOP", keys.bell, 0, patience=Patience(0))
            except Unconfirmed as error:
                met.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_until(
            lambda: any(
                each["name"].startswith(f"hj:{keys.namespace}") and each["cmd"] == "blpop"
                for each in redis.client_list()
            )
        )
        channel.interrupt()
        waiting.join()

        assert 1 == len(met)
        assert b"PONG" == channel.plain("PING")
        channel.close()


def test_interrupting_a_channel_that_does_nothing_costs_nothing(redis_url: str) -> None:
    with Client(redis_url) as client:
        channel = client.channel()
        channel.interrupt()
        assert b"PONG" == channel.plain("PING")
        channel.interrupt()
        assert b"PONG" == channel.plain("PING")
        channel.close()


class Interrupted(BaseException):
    """As KeyboardInterrupt, from a signal handler."""


def interrupted(call: Callable[[], object], *, after_s: float) -> None:
    """Begin a call that an exception ends at a moment that nobody knows."""
    armed = True

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        call()
        armed = False
    except Interrupted:
        pass
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what it left open is collected
def test_after_an_interrupt_at_any_moment_the_next_reply_belongs_to_the_next_command(
    redis_url: str, redis: Driver, keys: DomainKeys
) -> None:
    chance = random.Random(11)
    with Client(redis_url) as client:
        for number in range(500):
            if number % 2 == 0:
                client.close()  # so that connecting is interrupted, too
            interrupted(
                lambda: (client.plain("ECHO", "interrupted"), accept(client, keys, sample())),
                after_s=chance.uniform(1e-6, 600e-6 if number % 2 else 1_500e-6),
            )

            assert f"asked {number}".encode() == client.plain("ECHO", f"asked {number}")
            assert isinstance(accept(client, keys, sample()), Accepted)

    entries, unique = added(redis, keys)
    assert entries == unique
    assert entries >= 500


def test_a_fork_calls_on_connections_and_in_sessions_of_its_own(
    redis_url: str, redis: Driver, keys: DomainKeys
) -> None:
    with Client(redis_url) as client:
        accept(client, keys, sample())
        ours = client.plain("CLIENT", "ID")
        pid = os.fork()
        if pid == 0:
            try:
                accept(client, keys, sample())
                os._exit(0 if client.plain("CLIENT", "ID") != ours else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(pid, 0)
        accept(client, keys, sample())

        assert 0 == os.waitstatus_to_exitcode(status)
        assert ours == client.plain("CLIENT", "ID")
    assert (3, 3) == added(redis, keys)
    assert 2 == sum(1 for _ in redis.scan_iter(match=f"{keys.sessions}*"))


def test_threads_call_side_by_side_and_connections_are_used_again(fresh_server: Fresh, keys: DomainKeys) -> None:
    server = fresh_server()
    with Client(server.url) as client, server.driver() as driver:
        threads = [
            threading.Thread(target=lambda: [accept(client, keys, job) for job in samples(50)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (400, 400) == added(driver, keys)
        assert 1 <= len(connections(driver)) <= 8


def test_a_connection_says_whose_it_is(redis_url: str) -> None:
    with Client(redis_url, role="story") as client:
        name = client.plain("CLIENT", "GETNAME").decode()

    assert name.startswith("hj:story:")
    assert name.endswith(f":{os.getpid()}")
