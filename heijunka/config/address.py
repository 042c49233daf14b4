"""The kind of value that says where Redis is.

Only what can be known without a connection is checked. Refusals never repeat what the parser says, since
that may quote a part of the password.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from heijunka.config.kinds import Kind, Refused, text_of
from heijunka.config.redact import HIDDEN, redact_url

SCHEMES: Final = ("redis", "rediss", "unix")


def _read(value: object) -> str:
    url = text_of(value)
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise Refused("has blanks in it")
    scheme, slashes, rest = url.partition("://")
    if not slashes or scheme not in SCHEMES:
        raise Refused("does not start with redis://, rediss:// or unix://")
    if "#" in rest:
        raise Refused("has a # in it, which is written %23")
    if scheme != "unix" and re.search("[/?].*@", rest):
        raise Refused("has a / or ? in its password, which are written %2F and %3F")
    try:
        parts = urlsplit(url)
        _ = parts.port
        database = parse_qs(parts.query).get("db", [""])[-1]
    except ValueError:
        raise Refused("has a host or port that cannot be") from None
    if parts.password == HIDDEN:
        raise Refused("has its password hidden")
    if scheme == "unix" and len(parts.path) <= 1:
        raise Refused("names no socket")
    if scheme != "unix":
        database = database or parts.path.strip("/")
    # The driver takes a database that is no number for database 0.
    if not re.fullmatch("[0-9]*", database):
        raise Refused("names a database that is not a number")
    return url


def _quote(value: object) -> str:
    return repr(redact_url(value)) if isinstance(value, str) else f"of type {type(value).__name__}"


ADDRESS: Final = Kind(
    "redis://[user:password@]host:6379/0, rediss://… for TLS, or unix:///path/to.sock",
    _read,
    show=redact_url,
    quote=_quote,
)
"""A URL of Redis."""
