"""Which URLs say where Redis is, and that none of them tells its password."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from heijunka.config import Settings, redact_url
from heijunka.config.address import ADDRESS
from heijunka.config.kinds import Refused
from heijunka.errors import InvalidSetting


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6380/15",
        "redis://localhost/?db=3",
        "redis:///4",
        "rediss://shop:s3cret@redis.internal:6380/0?ssl_cert_reqs=required",
        "redis://:p%2Fw@[::1]:6379",
        "unix:///run/redis/redis.sock",
        "unix:///tmp/a@b.sock?db=2",
        "unix://shop:s3cret@/run/redis.sock",
    ],
)
def test_a_url_is_taken_as_it_is_apart_from_surrounding_blanks(url: str) -> None:
    assert url == ADDRESS.read(f" {url}\n")


@pytest.mark.parametrize(
    ("url", "database"),
    [("redis://localhost", 0), ("redis:///4", 4), ("redis://h/?db=3", 3), ("unix:///tmp/a@b.sock?db=2", 2)],
)
def test_the_driver_finds_in_a_url_the_database_that_was_checked(url: str, database: int) -> None:
    asked = redis.ConnectionPool.from_url(ADDRESS.read(url)).connection_kwargs

    assert database == asked.get("db", 0)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:6379", "does not start with redis://, rediss:// or unix://"),
        ("http://localhost", "does not start with redis://, rediss:// or unix://"),
        ("redis:/localhost", "does not start with redis://, rediss:// or unix://"),
        ("REDIS://localhost", "does not start with redis://, rediss:// or unix://"),
        ("redis://local host", "has blanks in it"),
        ("redis://localhost:port", "has a host or port that cannot be"),
        ("redis://localhost:70000", "has a host or port that cannot be"),
        ("redis://[::1", "has a host or port that cannot be"),
        ("redis://localhost/zero", "names a database that is not a number"),
        ("redis://localhost?db=zero", "names a database that is not a number"),
        ("redis://localhost/-1", "names a database that is not a number"),
        ("unix:///", "names no socket"),
        ("unix://", "names no socket"),
        ("unix:///a.sock?db=x", "names a database that is not a number"),
        ("redis://:a/b@localhost", "has a / or ? in its password, which are written %2F and %3F"),
        ("redis://:12?b@localhost", "has a / or ? in its password, which are written %2F and %3F"),
        ("redis://:a#b@localhost", "has a # in it, which is written %23"),
        ("redis://:***@localhost", "has its password hidden"),
        ("  ", "is empty"),
        (6379, "is not text"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_reason(url: object, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        ADDRESS.read(url)

    assert reason == str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:s3cret@localhost/0", "redis://:***@localhost/0"),
        ("rediss://shop:s3cret@h:6380", "rediss://shop:***@h:6380"),
        ("redis://s3cret@localhost", "redis://***@localhost"),
        ("redis://:s3/cr@et@localhost", "redis://:***@localhost"),
        ("redis://:s3#cr?et@localhost", "redis://:***@localhost"),
        ("redis://:s3cret@one,redis://:s3cret@two", "redis://:***@two"),
        ("redis:/shop:s3cret@localhost", "redis:***@localhost"),
        ("shop:s3cret@localhost", "shop:***@localhost"),
        ("s3cret@localhost", "***@localhost"),
        ("redis://localhost/0?password=s3cret&db=1", "redis://localhost/0?password=***&db=1"),
        ("unix:///a@b.sock?db=1&ssl_password=s3cret", "unix:///a@b.sock?db=1&ssl_password=***"),
        ("unix://shop:s3cret@/a.sock", "unix://shop:***@/a.sock"),
        ("", ""),
    ],
)
def test_passwords_are_hidden_in_urls_right_and_wrong(url: str, shown: str) -> None:
    assert shown == redact_url(url)


SECRETS = st.text("0123456789!/#?@:%&=[]", min_size=6, max_size=20)


@given(
    secret=SECRETS,
    scheme=st.sampled_from(["redis://", "rediss://", "http://", "redis:/", ""]),
    user=st.sampled_from(["", "shop"]),
    encoded=st.booleans(),
)
def test_no_password_survives_however_wrong_its_url_is(secret: str, scheme: str, user: str, encoded: bool) -> None:
    written = quote(secret, safe="") if encoded else secret

    shown = redact_url(f"{scheme}{user}:{written}@localhost")

    assert written not in shown
    assert "***@localhost" == shown[-len("***@localhost") :]


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret/s3cret@localhost",
        "redis://:s3cret@localhost:port",
        "redis://:s3cret\N{DOUBLE EXCLAMATION MARK}\N{ACCOUNT OF}@localhost",
        "http://shop:s3cret@localhost",
        "redis://:s3cret@localhost/?password=s3cret&db=x",
    ],
)
def test_no_error_about_a_url_tells_its_password(load: Callable[..., Settings], url: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        load(environ={"HEIJUNKA_REDIS_URL": url})

    told = "".join(traceback.format_exception(refused.value)) + str(refused.value.hint) + repr(refused.value.facts)
    assert "s3cret" not in told
    assert refused.value.__cause__ is None


def test_a_url_in_the_wrong_shape_is_not_repeated_at_all(load: Callable[..., Settings]) -> None:
    with pytest.raises(InvalidSetting) as refused:
        load({"redis_url": ["redis://:s3cret@localhost"]})

    assert "redis_url of type list is not text (argument)" == str(refused.value)


def test_settings_show_urls_without_password_but_hold_the_whole(load: Callable[..., Settings]) -> None:
    settings = load({"redis_url": "redis://:s3cret@localhost/2"})

    assert "redis://:s3cret@localhost/2" == settings.redis_url
    assert "redis://:***@localhost/2" == settings.shown("redis_url")
    assert "s3cret" not in f"{settings!r} {settings}"
