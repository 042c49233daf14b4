"""Whether a Redis can be trusted with jobs.

A server says its version, but forks and managed services say what they like there; so what counts is what it
does: it takes our scripts or it does not. `observe` looks, the judges are pure, and each says in words what it
saw and what to do about it. Workers ask only for what they cannot do without (`require_fit`).
"""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from heijunka import commands
from heijunka.broker import scripts
from heijunka.broker.client import Client
from heijunka.clock import spell_ms, wall_ms
from heijunka.control.limits import bounds_of
from heijunka.counted import counted
from heijunka.errors import BrokerError, RedisDenied, RedisEvicts, RedisReadOnly, RedisTooOld
from heijunka.keys import DomainKeys

Status = Literal["ok", "warn", "fail"]

KEEPS_ALL: Final = "noeviction"
ROUND_TRIPS: Final = 21
SLOW_MS: Final = 5.0
CLOCKS_APART_MS: Final = 1_000
NEARLY_FULL: Final = 0.8

_FLAVOURS: Final = (("valkey_version", "Valkey"), ("dragonfly_version", "Dragonfly"), ("redis_version", "Redis"))
SET_POLICY: Final = "set maxmemory-policy noeviction: CONFIG SET for now, redis.conf for good"


class Finding(msgspec.Struct, frozen=True):
    """What one check found.

    Attributes:
        check: its name, one word.
        status: "ok"; "warn" for what costs speed or safety; "fail" for what keeps jobs from running.
        says: what was seen, in one line.
        hint: what to do about it, in one line, or None.
    """

    check: str
    status: Status
    says: str
    hint: str | None = None


class Observed(msgspec.Struct, frozen=True):
    """What one look at a server showed.

    Attributes:
        info: what INFO said; empty when our user may not ask.
        round_trip_ms: median of some PINGs, in ms.
        ahead_ms: how far its clock is before this host's, in ms; within half a round trip.
        refusal: why it does not run our scripts, or None.
    """

    info: Mapping[str, str]
    round_trip_ms: float
    ahead_ms: float
    refusal: BrokerError | None = None


def require_fit(client: Client, keys: DomainKeys, *, allow_eviction: bool = False) -> None:
    """Return when workers may trust this Redis.

    Parameters:
        client: connected to it.
        keys: of any domain; what they hold is read.
        allow_eviction: accept a server that may delete jobs when it is full.

    Raises:
        RedisTooOld: it does not know what our scripts are made of.
        RedisEvicts: it may delete jobs when it is full.
        RedisReadOnly: it is a replica.
        BrokerError: it cannot be reached, or refuses us.

    Example:
        >>> require_fit(client, domain_keys("shop", "payment"))  # doctest: +SKIP
    """
    info = read_info(client)
    try:
        client.execute(commands.depths(keys))
    except RedisTooOld as error:
        raise _too_old(info) from error
    if info.get("role") == "slave":
        raise RedisReadOnly(f"{client.url} is a read-only replica", hint="point the URL at the primary")
    policy = info.get("maxmemory_policy", KEEPS_ALL)
    if policy != KEEPS_ALL and not allow_eviction:
        raise RedisEvicts(
            f"{client.url} may delete jobs when it is full: its maxmemory-policy is {policy}",
            hint=f"{SET_POLICY}; or start with --allow-eviction",
            policy=policy,
        )


def examine(client: Client, keys: DomainKeys) -> Iterator[Finding]:
    """Look at a Redis and judge what is seen.

    Parameters:
        client: connected to it.
        keys: of any domain; what they hold is read.

    Yields:
        One finding for each check, in the order in which they matter.

    Raises:
        BrokerError: it cannot be reached, or refuses us.

    Example:
        >>> [each.says for each in examine(client, keys) if each.status == "fail"]  # doctest: +SKIP
        ['maxmemory-policy is allkeys-lru: jobs may be deleted when memory is full']
    """
    seen = observe(client, keys)
    yield server(seen)
    if seen.info:
        yield from (judge(seen.info) for judge in (role, eviction, memory, persistence))
    yield round_trip(seen.round_trip_ms)
    yield clock(seen.ahead_ms)
    if seen.refusal is None:
        yield _scripts(client)


def observe(client: Client, keys: DomainKeys) -> Observed:
    """Look at a server once.

    Raises:
        BrokerError: it cannot be reached, or refuses us altogether.
    """
    client.plain("PING")  # connected from here on, or not at all
    info, refusal = read_info(client), None
    try:
        client.execute(commands.depths(keys))
    except BrokerError as error:
        refusal = error
    took_ms, ahead_ms = [], []
    for _ in range(ROUND_TRIPS):
        before = time.perf_counter()
        seconds, micros = client.plain("TIME")
        took_ms.append((time.perf_counter() - before) * 1_000)
        ahead_ms.append(int(seconds) * 1_000 + int(micros) / 1_000 + took_ms[-1] / 2 - wall_ms())
    return Observed(info, statistics.median(took_ms), statistics.median(ahead_ms), refusal)


def read_info(client: Client) -> Mapping[str, str]:
    """What INFO says, by name; nothing when our user may not ask."""
    try:
        text: bytes = client.plain("INFO")
    except RedisDenied:
        return {}
    lines = text.decode("utf-8", "backslashreplace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def named(info: Mapping[str, str]) -> str:
    """A server's flavour and version, as it says them: `Valkey 8.1.1`."""
    for field, flavour in _FLAVOURS:
        if field in info:
            return f"{flavour} {info[field]}"
    return "a server that does not say its version"


# -- judges -----------------------------------------------------------------------------------------


def server(seen: Observed) -> Finding:
    """Whether it is a server we can work with, by what it does."""
    if isinstance(seen.refusal, RedisTooOld):
        error = _too_old(seen.info)
        return Finding("server", "fail", str(error), error.hint)
    if seen.refusal is not None:
        return Finding("server", "fail", str(seen.refusal), seen.refusal.hint)
    if not seen.info:
        return Finding("server", "warn", "this user may not call INFO: much cannot be checked", "grant it +info")
    if seen.info.get("cluster_enabled") == "1":
        return Finding(
            "server", "fail", f"{named(seen.info)} in cluster mode: calls for other nodes' keys are refused",
            "use a Redis that is no cluster",
        )  # fmt: skip
    return Finding("server", "ok", f"{named(seen.info)}, runs scripts with flags")


def role(info: Mapping[str, str]) -> Finding:
    """Whether it takes writes."""
    if info.get("role") == "slave":
        return Finding("role", "fail", "a read-only replica", "point the URL at the primary")
    replicas = info.get("connected_slaves", "0")
    return Finding("role", "ok", f"primary, {counted(int(replicas), 'replica')}")


def eviction(info: Mapping[str, str]) -> Finding:
    """Whether it keeps what it was given."""
    policy = info.get("maxmemory_policy")
    if policy is None:
        return Finding("eviction", "warn", "it does not say its maxmemory-policy", "see that it is noeviction")
    if policy == KEEPS_ALL:
        return Finding("eviction", "ok", "maxmemory-policy is noeviction")
    says = f"maxmemory-policy is {policy}: jobs may be deleted when memory is full"
    return Finding("eviction", "fail", says, SET_POLICY)


def memory(info: Mapping[str, str]) -> Finding:
    """Whether there is room."""
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if most == 0:
        return Finding("memory", "ok", f"{_mib(used)} used, no limit set")
    says = f"{_mib(used)} of {_mib(most)} used"
    if used >= most:
        return Finding("memory", "fail", f"{says}: nothing can be enqueued", "raise maxmemory, or let workers drain it")
    if used >= most * NEARLY_FULL:
        return Finding("memory", "warn", f"{says}: nearly full", "raise maxmemory, or let workers drain it")
    return Finding("memory", "ok", says)


def persistence(info: Mapping[str, str]) -> Finding:
    """What a crash of the server would cost."""
    if info.get("loading", "0") != "0":
        return Finding("persistence", "fail", "it is loading its data", "try again when it has finished")
    for field, what in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "snapshot")):
        if info.get(field, "ok") != "ok":
            return Finding("persistence", "fail", f"its last {what} could not be written", "free space on its disk")
    if info.get("aof_enabled") == "1":
        return Finding("persistence", "ok", "append-only file is on")
    says = "append-only file is off: a crash of Redis loses the jobs since its last snapshot"
    return Finding("persistence", "warn", says, "set appendonly yes: CONFIG SET for now, redis.conf for good")


def round_trip(ms: float) -> Finding:
    """Whether it is near."""
    if ms < SLOW_MS:
        return Finding("latency", "ok", f"a round trip takes {ms:.2f} ms")
    return Finding("latency", "warn", f"a round trip takes {ms:.1f} ms", "run workers nearer to Redis")


def clock(ahead_ms: float) -> Finding:
    """Whether its clock and this host's agree. Delays go by its clock, `at=` by who writes it."""
    if abs(ahead_ms) < CLOCKS_APART_MS:
        return Finding("clock", "ok", f"Redis's clock and this host's are within {max(1, abs(ahead_ms)):.0f} ms")
    says = f"Redis's clock is {spell_ms(abs(ahead_ms))} {'ahead of' if ahead_ms > 0 else 'behind'} this host's"
    return Finding("clock", "warn", says, "synchronise both with NTP")


def limits(keys: DomainKeys, depths: commands.Depths) -> Finding:
    """Whether a domain is bounded; one that is not grows until Redis is full."""
    rule = depths.limits.get("rule")
    if rule is None:
        return Finding("limits", "ok", f"{keys.domain}: unbounded, it takes jobs until Redis is full")
    bounded = bounds_of(keys.domain, depths)
    load, hard, given = depths.load, bounded.in_jobs.hard, bounded.limits
    bounds = ", ".join(
        f"{name} limit {'none' if limit is None else f'{limit:,}' if isinstance(limit, int) else limit}"
        for name, limit in (("soft", given.soft), ("hard", given.hard))
    )
    if rule.endswith("draining"):
        return Finding("limits", "warn", f"{keys.domain}: drained, it takes no jobs", f"heijunka undrain {keys.domain}")
    says = f"{keys.domain}: {bounds}, load {load:,}"
    if hard is not None and load >= hard:
        hint = "start workers, or raise the limit: heijunka limits set"
        return Finding("limits", "warn", f"{says}: jobs are refused", hint)
    return Finding("limits", "ok", says)


def domain(keys: DomainKeys, depths: commands.Depths, *, app: str | None = None) -> Finding:
    """Whether somebody serves a domain.

    Parameters:
        keys: of the domain.
        depths: what it holds.
        app: the application's path, for the hint; None when the settings name it.
    """
    waiting = depths.load - depths.running
    counts = [counted(depths.workers, "worker"), f"{counted(waiting, 'job')} waiting", f"{depths.running:,} running"]
    if depths.dead:
        counts.append(counted(depths.dead, "dead letter"))
    says = f"{keys.domain}: {', '.join(counts)}"
    if depths.workers == 0:
        return Finding("domain", "warn", says, f"start one: {_worker_of(keys.domain, app)}")
    return Finding("domain", "ok", says)


# -- what they share --------------------------------------------------------------------------------


def _scripts(client: Client) -> Finding:
    names = scripts.names()
    for name in names:
        try:
            client.plain("SCRIPT", "LOAD", scripts.load(name).source)
        except BrokerError as error:
            return Finding("scripts", "fail", f"lua/{name}.lua does not load: {error}", error.hint)
    return Finding("scripts", "ok", f"all {len(names)} scripts load")


def _worker_of(domain: str, app: str | None) -> str:
    named = "" if app is None else f" {shlex.quote(app)}"
    return f"heijunka worker{named} -d {domain}"


def _too_old(info: Mapping[str, str]) -> RedisTooOld:
    return RedisTooOld(
        f"{named(info)} is too old: Heijunka needs Redis >= 7.0 or Valkey >= 7.2",
        hint="upgrade the server, or set HEIJUNKA_REDIS_URL to another",
    )


def _mib(size: int) -> str:
    return f"{size / 1_048_576:,.1f} MiB"
