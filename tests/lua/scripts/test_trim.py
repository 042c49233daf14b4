"""trim: the oldest letters beyond a bound go, some at a time, and each is counted."""

from __future__ import annotations

import pytest

from heijunka.clock import Milliseconds
from heijunka.commands.letters import Purged, trim
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.letters import bury, entries, failure
from tests.fixtures.samples import sample
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot

NOW = Milliseconds(1_700_000_000_000)


def buried(redis: Driver, keys: DomainKeys, *ages: int) -> list[str]:
    """Letters of some ages in ms, the oldest first."""
    found = [f"{NOW - age}-0" for age in sorted(ages, reverse=True)]
    for entry in found:
        redis.xadd(keys.dead, {"j": sample(), "r": "retries", "f": failure()}, id=entry)
    return found


def test_letters_older_than_the_bound_go_and_are_counted(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    letters = buried(redis, keys, 5_001, 5_000, 10, 9_000)

    trimmed = client.execute(trim(keys, age_ms=5_000, now=NOW))

    assert Purged(2) == trimmed
    assert letters[2:] == entries(redis, keys)
    assert {"purged": 2} == snapshot(redis, keys).stats
    assert "trimmed" == heard[-1]


@pytest.mark.parametrize(("keep", "left"), [(0, 0), (1, 1), (3, 3), (4, 4), (5, 4)])
def test_the_newest_are_kept(client: Executor, redis: Driver, keys: DomainKeys, keep: int, left: int) -> None:
    letters = buried(redis, keys, 4, 3, 2, 1)

    trimmed = client.execute(trim(keys, keep=keep, now=NOW))

    assert Purged(4 - left) == trimmed
    assert letters[4 - left :] == entries(redis, keys)


def test_a_letter_that_is_beyond_either_bound_goes(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    letters = buried(redis, keys, 400, 300, 200, 100)

    assert Purged(2) == client.execute(trim(keys, keep=2, age_ms=350, now=NOW))
    assert Purged(1) == client.execute(trim(keys, keep=2, age_ms=150, now=NOW))
    assert letters[3:] == entries(redis, keys)


def test_a_call_has_a_limit_and_says_that_there_may_be_more(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    letters = buried(redis, keys, *range(1, 8))

    replies = [client.execute(trim(keys, keep=1, limit=3, now=NOW)) for _ in range(3)]

    assert [Purged(3, more=True), Purged(3, more=True), Purged(0)] == replies
    assert letters[-1:] == entries(redis, keys)
    assert ["more", "more", "trimmed"] == heard
    assert {"purged": 6} == snapshot(redis, keys).stats


def test_without_bounds_nothing_goes(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    buried(redis, keys, 1_000_000, 1)
    before = snapshot(redis, keys)

    assert Purged(0) == client.execute(trim(keys, now=NOW))
    assert before == snapshot(redis, keys)


def test_the_servers_clock_decides_when_no_time_is_given(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.xadd(keys.dead, {"j": sample(), "r": "retries", "f": failure()}, id="1-0")
    young = bury(redis, keys)

    assert Purged(1) == client.execute(trim(keys, age_ms=3_600_000))
    assert [young] == entries(redis, keys)


def test_a_domain_without_letters_is_within_its_bounds(client: Executor, keys: DomainKeys) -> None:
    assert Purged(0) == client.execute(trim(keys, keep=0, age_ms=0, now=NOW))


@needs_server
@pytest.mark.parametrize("name", ["stats", "dead"])
def test_a_key_of_another_type_leaves_everything_as_it_was(
    client: Executor, redis: Driver, keys: DomainKeys, name: str
) -> None:
    if name != "dead":
        buried(redis, keys, 5)
    redis.set(keys.tag + name, "somebody else's")
    before = snapshot(redis, keys)

    with pytest.raises(WrongKeyType):
        client.execute(trim(keys, keep=0, now=NOW))

    assert before == snapshot(redis, keys)
