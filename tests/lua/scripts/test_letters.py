"""letters: pages of dead letters, in both directions, bounded in number and in size."""

from __future__ import annotations

import pytest

from heijunka.commands.letters import Page, Stored, letters
from heijunka.errors import WrongKeyType
from heijunka.keys import DomainKeys
from tests.fixtures.fake import Executor, needs_server
from tests.fixtures.letters import bury, entries, failure
from tests.fixtures.samples import sample, samples
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import snapshot


def pages(
    client: Executor,
    keys: DomainKeys,
    *,
    limit: int,
    newest: bool = False,
    page_bytes: int = 1_000_000,
    reason: str = "",
) -> list[Page]:
    """Every page, to the last."""
    start, read = "-", list[Page]()
    while True:
        page = client.execute(
            letters(keys, start=start, newest=newest, reason=reason, limit=limit, page_bytes=page_bytes)
        )
        read.append(page)
        if page.more is None:
            return read
        start = page.more


def named(read: list[Page]) -> list[str]:
    """The entry ids on some pages."""
    return [letter.entry for page in read for letter in page.letters]


def test_a_letter_is_told_as_it_is_stored_and_stays(
    client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]
) -> None:
    job = sample()
    entry = bury(redis, keys, job, reason="poison", deliveries=3)
    before = snapshot(redis, keys)

    page = client.execute(letters(keys))

    fields = {b"j": job, b"r": b"poison", b"f": failure("poison"), b"d": b"3"}
    assert Page((Stored(entry, fields),), None) == page
    assert before == snapshot(redis, keys)
    assert "letters" == heard[-1]


@pytest.mark.parametrize("limit", [1, 7, 10, 11, 24, 25, 26, 500])
@pytest.mark.parametrize("newest", [False, True])
def test_pages_tell_every_letter_once_and_in_order(
    client: Executor, redis: Driver, keys: DomainKeys, limit: int, *, newest: bool
) -> None:
    for job in samples(25):
        bury(redis, keys, job)

    read = pages(client, keys, limit=limit, newest=newest)

    assert entries(redis, keys)[:: -1 if newest else 1] == named(read)
    assert max(len(page.letters) for page in read) <= limit


def test_a_full_page_says_where_to_go_on(client: Executor, redis: Driver, keys: DomainKeys, heard: list[str]) -> None:
    first, _ = bury(redis, keys), bury(redis, keys)

    page = client.execute(letters(keys, limit=1))

    assert (f"({first}", 1) == (page.more, len(page.letters))
    assert "more" == heard[-1]


def test_large_letters_end_a_page_early(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    for job in samples(45):
        bury(redis, keys, job, record=failure(message="x" * 1_000))

    read = pages(client, keys, limit=500, page_bytes=15_000)

    assert entries(redis, keys) == named(read)
    assert [20, 20, 5] == [len(page.letters) for page in read]


def test_only_letters_of_the_wanted_reason_are_told_and_the_limit_counts_those_looked_at(
    client: Executor, redis: Driver, keys: DomainKeys
) -> None:
    wanted = [bury(redis, keys, reason=reason) for reason in ("poison", "retries") * 10][::2]

    read = pages(client, keys, limit=6, reason="poison")

    assert wanted == named(read)
    assert [3, 3, 3, 1] == [len(page.letters) for page in read]


@pytest.mark.parametrize(
    ("start", "end", "newest", "expected"),
    [
        ("2000", "3000", False, [2_000, 3_000]),
        ("3000", "2000", True, [3_000, 2_000]),
        ("(2000-1", "+", False, [3_000, 4_000]),
        ("-", "(2000-1", False, [1_000]),
        ("5000", "+", False, []),
    ],
)
def test_a_range_may_be_given_in_moments_or_entry_ids(
    client: Executor, redis: Driver, keys: DomainKeys, start: str, end: str, *, newest: bool, expected: list[int]
) -> None:
    for at in (1_000, 2_000, 3_000, 4_000):
        redis.xadd(keys.dead, {"j": sample(), "r": "retries", "f": failure()}, id=f"{at}-1")

    page = client.execute(letters(keys, start=start, end=end, newest=newest))

    assert [f"{at}-1" for at in expected] == named([page])


def test_a_domain_without_letters_has_an_empty_page(client: Executor, keys: DomainKeys) -> None:
    assert Page((), None) == client.execute(letters(keys))
    assert Page((), None) == client.execute(letters(keys, newest=True))


def test_an_entry_that_somebody_else_wrote_is_told_as_it_is(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    entry = redis.xadd(keys.dead, {"hello": "world"}).decode()

    assert Page((Stored(entry, {b"hello": b"world"}),), None) == client.execute(letters(keys))
    assert Page((), None) == client.execute(letters(keys, reason="retries"))


def test_numbers_out_of_range_are_brought_into_it(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    for job in samples(501):
        bury(redis, keys, job)

    assert [1, 500] == [len(client.execute(letters(keys, limit=limit)).letters) for limit in (-5, 1_000_000)]


@needs_server
def test_a_key_of_another_type_is_a_typed_error(client: Executor, redis: Driver, keys: DomainKeys) -> None:
    redis.set(keys.dead, "somebody else's")

    with pytest.raises(WrongKeyType):
        client.execute(letters(keys))
