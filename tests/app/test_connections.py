"""What an application opens: it brings its own server back, leaves event loops running, and can be closed on them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from heijunka import Heijunka
from heijunka.app.redisclock import RedisClock
from heijunka.commands import Depths
from heijunka.errors import RedisUnreachable
from heijunka.server import EmbeddedServer, process
from heijunka.server.surroundings import PLATFORMS, STAGES
from tests.app.shop import send, whoami
from tests.fixtures.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heijunka]:
    """An application without a configured Redis, and a state directory of its own."""
    runtime = Path(tempfile.mkdtemp(prefix="hj-"))
    for name in [name for name in os.environ if name.startswith("HEIJUNKA_") or name in {*STAGES, *PLATFORMS}]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEIJUNKA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    app = Heijunka("alone")
    yield app
    app.close()
    EmbeddedServer().stop(force=True)
    shutil.rmtree(runtime)


def kill_its_server() -> int:
    """Kill -9; returns the process that was."""
    pid = EmbeddedServer().status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not EmbeddedServer().status().running)
    return pid


def test_enqueue_brings_a_killed_embedded_server_back(alone: Heijunka) -> None:
    """Nobody else would: it was started along the way, and its user sees only that nothing works any more."""

    @alone.task
    def ping() -> None: ...

    ping.enqueue()
    url = alone.redis_url()
    killed = kill_its_server()

    second = ping.enqueue()

    assert (url, True) == (alone.redis_url(), killed != EmbeddedServer().status().pid)
    assert "queued" == second.status().state


def test_aenqueue_brings_a_killed_embedded_server_back(alone: Heijunka) -> None:
    @alone.task
    def ping() -> None: ...

    async def story() -> str:
        async with alone:
            await ping.aenqueue()
            await asyncio.to_thread(kill_its_server)
            job = await ping.aenqueue()
            return (await job.astatus()).state

    assert "queued" == asyncio.run(story())


def test_a_server_that_cannot_be_started_again_leaves_the_typed_error(
    alone: Heijunka, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @alone.task
    def ping() -> None: ...

    alone.override({"redis_timeout": "200ms"}, "test")
    alone.redis_url()
    kill_its_server()
    monkeypatch.setenv("HEIJUNKA_SERVER_BINARY", "/nowhere/valkey-server")

    with pytest.raises(RedisUnreachable):
        ping.enqueue()

    assert any("cannot be started again" in message for message in caplog.messages)


def test_starting_the_embedded_server_leaves_the_event_loop_running(
    alone: Heijunka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start is held until the loop has shown that it runs."""
    begun, shown = threading.Event(), threading.Event()
    spawn = process.spawn
    waited: list[bool] = []

    def slow(*given: object) -> None:
        begun.set()
        waited.append(shown.wait(10))
        spawn(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "spawn", slow)

    @alone.task
    def ping() -> None: ...

    async def story() -> None:
        async with alone:
            enqueueing = asyncio.ensure_future(ping.aenqueue())
            await asyncio.to_thread(begun.wait)
            shown.set()
            await enqueueing

    asyncio.run(story())

    assert [True] == waited


def test_a_relative_deadline_is_reckoned_without_blocking_the_event_loop(
    shop: Heijunka, depths: Callable[[str], Depths], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(shop.connections.client, "plain", lambda *words: asked.append(words[0]))

    async def story() -> None:
        async with shop:
            await send.options(deadline="30s").aenqueue("ada")
            await send.options(deadline="30s").aenqueue_many([("grace",), ("hedy",)])

    asyncio.run(story())

    assert ([], 3) == (asked, depths("mail").load)


def test_redis_is_asked_for_the_time_once_a_minute_and_when_a_clock_of_this_host_jumps() -> None:
    wall = monotonic = 0
    clock = RedisClock(wall=lambda: wall, monotonic=lambda: monotonic)

    assert clock.now_ms() is None
    assert 7_000_500 == clock.heard((b"7000", b"500000"))
    wall = monotonic = 40_000
    assert (7_040_500, None) == (clock.now_ms(), clock.now_ms(spare_ms=20_000))
    wall = monotonic = 60_000
    assert clock.now_ms() is None
    clock.heard((b"7060", b"0"))
    wall, monotonic = 61_900, 61_000
    assert 7_061_900 == clock.now_ms()
    wall = 62_500
    assert clock.now_ms() is None


def test_leaving_the_application_on_an_event_loop_leaves_nothing_open(redis_url: str, namespace: str) -> None:
    """Run with every warning an error: what is not closed is reported when the interpreter collects it."""
    text = (
        "import asyncio, gc\n"
        "from heijunka import Heijunka\n"
        "app = Heijunka('shop')\n"
        "@app.task\n"
        "def ping() -> None: ...\n"
        "async def main() -> None:\n"
        "    asyncio.get_running_loop().slow_callback_duration = 60\n"
        "    async with app:\n"
        "        jobs = await asyncio.gather(*(ping.options(deadline='1h').aenqueue() for _ in range(20)))\n"
        "        print((await jobs[0].astatus()).state)\n"
        "asyncio.run(main())\n"
        "app.__dict__.clear()\n"
        "gc.collect()\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "always", "-c", text],
        env=os.environ | {"HEIJUNKA_REDIS_URL": redis_url, "HEIJUNKA_NAMESPACE": namespace, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "queued\n", "") == (done.returncode, done.stdout, done.stderr)


def test_an_application_closed_on_an_event_loop_opens_again_and_closes_all_of_it(
    shop: Heijunka, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[redis.asyncio.Connection] = []
    init = redis.asyncio.connection.AbstractConnection.__init__  # of all kinds, whatever the server listens on

    def noted(self: redis.asyncio.Connection, *given: object, **named: object) -> None:
        init(self, *given, **named)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(redis.asyncio.connection.AbstractConnection, "__init__", noted)

    async def story() -> None:
        async with shop:
            await whoami.aenqueue()
        async with shop:
            await whoami.aenqueue()

    asyncio.run(story())

    assert [False, False] == [connection.is_connected for connection in made]
