"""Requests are served while there is room: a real client asks a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from heijunka import Heijunka, commands
from heijunka.errors import InvalidName, InvalidOption
from heijunka.integrations.asgi import AdmissionMiddleware, Message, Scope
from heijunka.policies.admission import Limits, spelled
from tests.fixtures.server import Driver, Server
from tests.fixtures.waiting import wait_until
from tests.integrations.site import Site, served

FAR_MS = 9_000_000_000_000


@pytest.fixture
def app(redis_url: str, namespace: str) -> Iterator[Heijunka]:
    with Heijunka("web", redis_url=redis_url, namespace=namespace) as app:
        yield app


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.go.set()


@pytest.fixture
def http(app: Heijunka, site: Site) -> Iterator[httpx.Client]:
    def domain(scope: Scope) -> str | None:
        return None if scope.get("path") == "/health" else "web"

    def priority(scope: Scope) -> Any:
        return "high" if scope["path"] == "/admin" else "normal"

    with (
        served(AdmissionMiddleware(site, heijunka=app, domain=domain, priority=priority)) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield client
        site.go.set()


def limit(redis: Driver, app: Heijunka, hard: int, reserved: float = 0.0) -> None:
    redis.hset(app.keys("web").limits, "rule", spelled(Limits(hard, hard, reserved)))


def leases(app: Heijunka) -> int:
    return app.connections.client.execute(commands.depths(app.keys("web"))).leases


def counted(app: Heijunka) -> dict[str, int]:
    return app.connections.client.execute(commands.depths(app.keys("web"))).counters


def in_the_background(ask: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_a_request_holds_a_lease_until_its_response_is_done(app: Heijunka, site: Site, http: httpx.Client) -> None:
    answers: list[httpx.Response] = []
    thread = in_the_background(lambda: answers.append(http.get("/slow")))
    assert site.started.wait(30)
    assert 1 == leases(app)
    site.go.set()
    thread.join()

    assert [(200, "/slow")] == [(answer.status_code, answer.text) for answer in answers]
    wait_until(lambda: leases(app) == 0)
    assert {"granted_n": 1, "released_n": 1} == counted(app)
    assert site.admitted[0] is not None
    assert "ok" == site.admitted[0].state


def test_without_room_the_answer_is_503_and_when_to_come_back(
    app: Heijunka, redis: Driver, site: Site, http: httpx.Client
) -> None:
    limit(redis, app, 1)
    redis.hset(app.keys("web").limits, mapping={"paced_at": FAR_MS, "paced_ends": 0, "pace": "0.4"})
    lease = app.request_admission("web")

    refused = http.get("/")
    app.release_quota(lease)

    assert (503, "3") == (refused.status_code, refused.headers["retry-after"])
    assert "There is no room now; come back in 3 s.\n" == refused.text
    assert [] == site.ended
    assert 200 == http.get("/").status_code


def test_who_is_to_come_back_at_once_is_told_a_second(app: Heijunka, redis: Driver, http: httpx.Client) -> None:
    """0 would be no pause at all."""
    limit(redis, app, 1)
    redis.hset(app.keys("web").limits, mapping={"paced_at": FAR_MS, "paced_ends": 0, "pace": "1000"})
    app.request_admission("web")

    assert "1" == http.get("/").headers["retry-after"]


def test_what_is_told_from_the_scope_decides(app: Heijunka, redis: Driver, site: Site, http: httpx.Client) -> None:
    limit(redis, app, 2, reserved=0.5)
    app.request_admission("web")

    assert [503, 200, 200] == [http.get(path).status_code for path in ("/", "/admin", "/health")]
    assert [True, False] == [lease is not None for lease in site.admitted]


def test_the_lease_comes_back_when_the_client_goes_away(app: Heijunka, site: Site, http: httpx.Client) -> None:
    """The handler hears of it, and may go on for as long as it likes."""
    with http.stream("GET", "/stream") as answer:
        assert site.started.wait(30)
        assert 200 == answer.status_code
        assert 1 == leases(app)

    wait_until(lambda: leases(app) == 0)
    assert [] == site.ended


def test_the_lease_comes_back_with_the_last_of_the_response_whatever_the_handler_does_then(
    app: Heijunka, site: Site, http: httpx.Client
) -> None:
    assert 200 == http.get("/after").status_code

    wait_until(lambda: leases(app) == 0)
    assert [] == site.ended


def test_the_lease_of_a_handler_that_raises_comes_back(app: Heijunka, site: Site, http: httpx.Client) -> None:
    assert 500 == http.get("/broken").status_code

    wait_until(lambda: leases(app) == 0)
    assert ["/broken"] == site.ended
    assert {"granted_n": 1, "released_n": 1} == counted(app)


def test_many_at_a_time_are_never_more_than_the_limit_lets_in(
    app: Heijunka, redis: Driver, site: Site, http: httpx.Client
) -> None:
    limit(redis, app, 3)
    statuses: list[int] = []
    threads = [in_the_background(lambda: statuses.append(http.get("/slow").status_code)) for _ in range(12)]
    wait_until(lambda: len(statuses) == 9)
    assert 3 == leases(app)
    site.go.set()
    for thread in threads:
        thread.join()

    assert [200] * 3 + [503] * 9 == sorted(statuses)
    wait_until(lambda: leases(app) == 0)


def test_other_connections_than_http_pass(app: Heijunka, site: Site) -> None:
    with served(AdmissionMiddleware(site, heijunka=app, domain="web")):
        pass

    assert ["lifespan.startup", "lifespan.shutdown"] == site.lives
    assert {} == counted(app)


@pytest.mark.parametrize(("choice", "status", "served_paths"), [("refuse", 503, []), ("serve", 200, ["/"])])
def test_without_redis_requests_are_refused_or_served(
    fresh_server: Callable[..., Server], site: Site, choice: Any, status: int, served_paths: list[str]
) -> None:
    server = fresh_server()
    app = Heijunka("web", redis_url=server.url, redis_timeout="50ms")
    server.kill()

    with (
        served(AdmissionMiddleware(site, heijunka=app, domain="web", without_redis=choice)) as address,
        httpx.Client(base_url=address, timeout=30) as http,
    ):
        answer = http.get("/")

    assert status == answer.status_code
    assert (None if status == 200 else "1") == answer.headers.get("retry-after")
    assert served_paths == site.ended
    app.close()


def test_a_handler_that_is_cancelled_gives_its_lease_back(app: Heijunka, site: Site) -> None:
    """As servers do with those that outlive their shutdown."""

    async def story() -> None:
        async with app:
            guarded = AdmissionMiddleware(site, heijunka=app, domain="web", ttl="1h")
            scope = {"type": "http", "path": "/slow"}
            request = asyncio.create_task(guarded(scope, _nothing, _nowhere))
            await asyncio.to_thread(site.started.wait, 30)
            assert 1 == await asyncio.to_thread(leases, app)
            request.cancel()
            site.go.set()
            await asyncio.wait([request])
            await asyncio.to_thread(wait_until, lambda: leases(app) == 0)

    asyncio.run(story())

    assert {"granted_n": 1, "released_n": 1} == counted(app)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"domain": "no spaces"}, InvalidName),
        ({"priority": "urgent"}, InvalidOption),
        ({"ttl": 0}, InvalidOption),
        ({"without_redis": "shrug"}, InvalidOption),
    ],
)
def test_bad_options_are_refused_where_the_middleware_is_made(
    app: Heijunka, site: Site, options: dict[str, Any], error: type[Exception]
) -> None:
    given: dict[str, Any] = {"heijunka": app, "domain": "web"} | options

    with pytest.raises(error):
        AdmissionMiddleware(site, **given)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _nowhere(message: Message) -> None: ...
