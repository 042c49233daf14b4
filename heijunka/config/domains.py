"""The setting `domains`: what is declared of each domain, in a file as a table for each.

[tool.heijunka.domains.payment]
hard_limit = 1500
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from heijunka.clock import duration_ms
from heijunka.config.kinds import Kind, Refused
from heijunka.config.suggest import did_you_mean
from heijunka.errors import InvalidOption
from heijunka.policies.admission import Given, Span, completed

LIMITS: Final = {"soft_limit": "soft", "hard_limit": "hard", "reserved": "reserved"}
"""Names of the limits as users write them, and in `Given`."""


def _read(value: object) -> dict[str, Given]:
    if isinstance(value, str):
        try:
            value = {} if value.strip().lower() == "none" else json.loads(value)
        except ValueError:
            raise Refused("is no table, and no JSON of one") from None
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Refused("is no table of domains")
    return {_name(domain): _given(domain, limits) for domain, limits in value.items()}


def _name(domain: object) -> str:
    if isinstance(domain, str) and re.fullmatch(r"[a-z0-9_.-]{1,64}", domain):
        return domain
    raise Refused(f"names a domain {domain!r}; names are 1 to 64 of the characters a-z 0-9 _ . -")


def _given(domain: str, limits: Any) -> Given:
    if isinstance(limits, Given):
        return limits
    if not isinstance(limits, Mapping):
        raise Refused(f"has no table for {domain}")
    fields: dict[str, Any] = {}
    for name, limit in limits.items():
        if name not in LIMITS:
            near = did_you_mean(name, LIMITS)
            raise Refused(f"has {domain}.{name}, which is no limit{f': {near}' if near else ''}")
        fields[LIMITS[name]] = None if limit == "none" else limit_of(limit)
    given = Given(**fields)
    try:
        completed(given)
    except InvalidOption as error:
        raise Refused(f"does not fit: {domain}: {error}") from None
    return given


def limit_of(limit: object) -> object:
    """A limit as `Given` takes it: text with a unit, or a timedelta, is time. What is no limit stays, to be refused."""
    if isinstance(limit, timedelta) or (isinstance(limit, str) and re.search("[a-z]", limit)):
        try:
            return Span(duration_ms(limit))
        except InvalidOption:
            return limit
    return limit


def _show(value: Mapping[str, Given]) -> str:
    tables = {
        domain: {
            name: "none" if limit is None else str(limit) if isinstance(limit, Span) else limit
            for name, field in LIMITS.items()
            if (limit := getattr(given, field)) is None or isinstance(limit, int | float | Span)
        }
        for domain, given in value.items()
    }
    return json.dumps(tables) if tables else "none"


DOMAINS: Final = Kind(
    "a table of domains, each with soft_limit, hard_limit and reserved, or JSON of it",
    _read,
    _show,
)
"""Reads tables of limits."""
