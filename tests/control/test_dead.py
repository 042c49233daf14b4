"""app.control.dead: operators see what died and why, and say what becomes of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from heijunka import Heijunka, commands, wire
from heijunka.broker.client import Client
from heijunka.broker.command import Command
from heijunka.clock import Milliseconds
from heijunka.commands.letters import MOST, Revival, revive
from heijunka.control.dead import DeadLetters, Group, Retried
from heijunka.control.letter import Letter, Note
from heijunka.control.reading import BATCH
from heijunka.errors import (
    InvalidName,
    InvalidOption,
    JobNotFound,
    NotEncodable,
    PayloadTooLarge,
    UndecodableArguments,
    UndecodableJob,
    UnknownTask,
)
from heijunka.keys import DomainKeys
from tests.control.conftest import Dead
from tests.fixtures.letters import bury, entries, failure
from tests.fixtures.samples import id_of, samples
from tests.fixtures.server import Driver
from tests.fixtures.snapshot import Held, snapshot

ORDER = "018f2c3e-0000-7000-8000-000000000001"


def names(letters: Iterator[Letter]) -> list[str]:
    """The entry ids of some letters."""
    return [letter.entry for letter in letters]


def calls_of(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[Command[Any]]:
    """The commands that `client` carries out from now on."""
    seen: list[Command[Any]] = []
    execute = client.execute

    def noting(command: Command[Any], *rest: Any) -> Any:
        seen.append(command)
        return execute(command, *rest)

    monkeypatch.setattr(client, "execute", noting)
    return seen


# -- look ----------------------------------------------------------------------------------------


def test_a_letter_tells_everything_about_a_death(dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys) -> None:
    trace = 'Traceback (most recent call last):\n  File "/app/shop.py", line 7, in refund\n    no()\nValueError: no'
    entry = die("refund", {"order": "A1"}, message="no", traceback=trace, deadline_ms=9)

    [letter] = dead.letters("payment")

    assert ("payment", entry, "refund", "retries") == (letter.domain, letter.entry, letter.task, letter.reason)
    assert ("ValueError", "no", 5, 0) == (letter.error_type, letter.message, letter.attempt, letter.deliveries)
    [[_, fields]] = redis.xrange(keys.dead)
    assert wire.decode_job(fields[b"j"]) == letter.job
    assert {"order": "A1"} == letter.arguments()
    assert trace == letter.facts()["failure"]["traceback"]
    assert 9 == letter.facts()["deadline_ms"]


def test_letters_come_oldest_first_or_newest_first(dead: DeadLetters, die: Dead) -> None:
    buried = [die() for _ in range(5)]

    assert buried == names(dead.letters("payment"))
    assert buried[::-1] == names(dead.letters("payment", newest=True))
    assert buried[-1:-3:-1] == names(dead.letters("payment", newest=True, limit=2))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"task": "charge"}, [1, 3]),
        ({"reason": "poison"}, [2, 3]),
        ({"task": "charge", "reason": "poison"}, [3]),
        ({"task": "nobody"}, []),
        ({"older_than": "90m"}, [0, 1]),
        ({"newer_than": "90m"}, [2, 3]),
        ({"older_than": "30m", "newer_than": "90m"}, [2]),
        ({"older_than": 0}, [0, 1, 2, 3]),
        ({"newer_than": 0}, []),
        ({"task": None, "older_than": None}, [0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("newest", [False, True])
def test_letters_are_chosen_by_what_they_died_of_and_when(
    dead: DeadLetters, die: Dead, redis: Driver, given: dict[str, Any], expected: list[int], *, newest: bool
) -> None:
    now = redis.time()[0] * 1_000
    buried = [
        die(task, reason=reason, at=now - hours * 3_600_000 - 1)
        for hours, task, reason in [
            (3, "refund", "retries"),
            (2, "charge", "retries"),
            (1, "refund", "poison"),
            (0, "charge", "poison"),
        ]
    ]

    assert [buried[index] for index in expected][:: -1 if newest else 1] == names(
        dead.letters("payment", newest=newest, **given)
    )


def test_letters_are_chosen_by_the_beginning_of_a_fingerprint(dead: DeadLetters, die: Dead) -> None:
    one, _, three = die(message="card 1 is stolen"), die(message="no card"), die(message="card 2 is stolen")
    print_ = dead.letter("payment", one).fingerprint

    assert [one, three] == names(dead.letters("payment", fingerprint=print_))
    assert [one, three] == names(dead.letters("payment", fingerprint=print_[:6].upper()))


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"fingerprint": "xyz"}, "digits"),
        ({"older_than": "soon"}, "seconds"),
        ({"newer_than": -1}, "0 or more"),
        ({"reasons": "retries"}, "reason"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_at_once(dead: DeadLetters, given: Any, hint: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        dead.letters("payment", **given)

    assert refused.value.hint is not None
    assert hint in refused.value.hint


def test_a_letter_is_found_by_its_entry_or_by_its_job(dead: DeadLetters, redis: Driver, keys: DomainKeys) -> None:
    jobs = samples(MOST + 3)
    for job in jobs:
        bury(redis, keys, job)
    last = wire.id_text(wire.decode_job(jobs[-1]).id)

    found = dead.letter("payment", last)

    assert (last, jobs[-1]) == (found.id, found.blob)
    assert found == dead.letter("payment", found.entry)


@pytest.mark.parametrize("name", ["1-1", "018f2c3e-0000-7000-8000-000000000000"])
def test_a_letter_that_is_not_there_is_a_typed_error(dead: DeadLetters, die: Dead, name: str) -> None:
    die()

    with pytest.raises(JobNotFound, match=f"payment has no dead letter {name}"):
        dead.letter("payment", name)


def test_what_names_no_letter_is_refused(dead: DeadLetters) -> None:
    with pytest.raises(InvalidOption):
        dead.letter("payment", "yesterday")
    with pytest.raises(InvalidName):
        dead.letter("Pay ment", "1-1")


def test_letters_that_nobody_can_read_are_shown_as_far_as_they_can(
    dead: DeadLetters, redis: Driver, keys: DomainKeys
) -> None:
    redis.xadd(keys.dead, {"hello": "world"})
    redis.xadd(keys.dead, {"j": b"\xff" * 30, "r": b"und\xe9codable", "f": b"?", "d": "many", "n": b"?"})

    odd, broken = dead.letters("payment")

    assert ("", "", "", 0, None) == (odd.id, odd.task, odd.reason, odd.attempt, odd.facts()["arguments"])
    assert ("ffffffff-ffff-ffff-ffff-ffffffffffff", "und\\xe9codable", 0, ()) == (
        broken.id,
        broken.reason,
        broken.deliveries,
        broken.notes,
    )


def test_groups_say_how_many_died_of_the_same_and_since_when(dead: DeadLetters, die: Dead, redis: Driver) -> None:
    now = redis.time()[0] * 1_000
    die("refund", at=now - 50, message="card 1 is stolen")
    die("charge", at=now - 40, message="card 2 is stolen")
    latest = die("charge", at=now - 30, message="card 3 is stolen", reason="final")

    by_task = dead.grouped("payment", "task")

    assert [Group("charge", 2, now - 40, now - 30, dead.letter("payment", latest)), 1] == [
        by_task[0],
        by_task[1].letters,
    ]
    assert {"retries": 2, "final": 1} == {group.key: group.letters for group in dead.grouped("payment", "reason")}
    assert [1, 1, 1] == [group.letters for group in dead.grouped("payment")]
    assert [2] == [group.letters for group in dead.grouped("payment", "reason", reason="retries")]
    with pytest.raises(InvalidOption):
        dead.grouped("payment", "reasons")  # type: ignore[arg-type]


def test_the_first_letters_cost_one_page_however_many_there_are(
    dead: DeadLetters, app: Heijunka, redis: Driver, keys: DomainKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in samples(3 * MOST):
        bury(redis, keys, job)
    calls = calls_of(app.connections.client, monkeypatch)

    first = next(dead.letters("payment", newest=True))

    assert entries(redis, keys)[-1] == first.entry
    assert ["letters"] == [call.script for call in calls]


# -- arguments -----------------------------------------------------------------------------------


def test_arguments_have_the_types_of_the_signature_when_the_application_is_known(dead: DeadLetters, die: Dead) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    entry = die("charge", {"order": ORDER, "amount": "9.90", "at": at, "photo": b"\x00", "notes": ["a", "b"]})

    arguments = dead.typed_arguments(dead.letter("payment", entry))

    expected = {"order": UUID(ORDER), "amount": Decimal("9.90"), "at": at, "photo": b"\x00", "notes": ("a", "b")}
    assert expected == arguments


def test_arguments_that_do_not_fit_say_why(dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys) -> None:
    with pytest.raises(UndecodableArguments, match="amount"):
        dead.typed_arguments(dead.letter("payment", die("charge", {"order": ORDER})))
    with pytest.raises(UnknownTask, match="'forgotten'"):
        dead.typed_arguments(dead.letter("payment", die("forgotten")))
    with pytest.raises(UndecodableJob):
        dead.typed_arguments(dead.letter("payment", bury(redis, keys, b"nonsense")))


# -- retry ---------------------------------------------------------------------------------------


def test_a_retry_makes_letters_jobs_with_all_attempts_before_them(
    dead: DeadLetters, app: Heijunka, die: Dead, redis: Driver, keys: DomainKeys
) -> None:
    die("charge", {"order": ORDER, "amount": "1"}, options=wire.Options(attempts=9))
    die("charge", options=wire.Options(priority="low"))
    die("refund")
    letters = list(dead.letters("payment"))

    retried = dead.retry("payment")

    assert Retried(3) == retried
    fresh = [
        msgspec.structs.replace(letter.job, attempt=1, errors=letter.errors)
        for letter in letters
        if letter.job is not None
    ]
    state = snapshot(redis, keys)
    assert ([fresh[0]], [fresh[1]], [fresh[2]]) == tuple(
        [wire.decode_job(held.job) for held in ready]
        for ready in (state.ready_high, state.ready_low, state.ready_normal)
    )
    assert ((), {"revived": 3}, 1) == (state.dead, state.stats, state.bell)


def test_a_letter_has_the_errors_of_its_attempts_and_a_retry_keeps_the_last_ten_of_them(
    dead: DeadLetters, redis: Driver, keys: DomainKeys
) -> None:
    before = tuple(wire.FailedAttempt(attempt, "OSError", f"no {attempt}", "w1", attempt) for attempt in range(1, 11))
    job = wire.Job(wire.FORMAT, wire.new_id(), "charge", wire.raw(b"\x80"), 11, errors=before)
    bury(redis, keys, wire.encode_job(job))
    kept = (*before[1:], wire.FailedAttempt(5, "ValueError", "no such card", "worker-1"))

    [letter] = dead.letters("payment")
    dead.retry("payment")

    assert kept == letter.errors
    [held] = snapshot(redis, keys).ready_high
    assert msgspec.structs.replace(job, attempt=1, errors=kept) == wire.decode_job(held.job)


def test_what_ended_a_job_without_an_attempt_is_none_of_its_errors(
    dead: DeadLetters, redis: Driver, keys: DomainKeys
) -> None:
    expired = wire.Failure(wire.FORMAT, "failed", "expired", message="its deadline passed")
    bury(redis, keys, reason="expired", record=wire.encode_end(expired))

    [letter] = dead.letters("payment")

    assert () == letter.errors


def test_a_retry_takes_only_what_is_meant(dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys) -> None:
    stay, go, named = die(), die(reason="poison"), die()
    job_id = dead.letter("payment", named).id

    assert Retried(1) == dead.retry("payment", reason="poison")
    assert Retried(1) == dead.retry("payment", only=[job_id, named])
    assert [stay] == entries(redis, keys)
    assert go not in entries(redis, keys)


def test_a_retry_of_named_letters_does_nothing_when_one_is_missing(
    dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys
) -> None:
    entry = die()
    before = snapshot(redis, keys)

    with pytest.raises(JobNotFound):
        dead.retry("payment", only=[entry, "1-1"])

    assert before == snapshot(redis, keys)


def test_a_dry_run_only_counts(dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys) -> None:
    for reason in ("poison", "retries", "poison"):
        die(reason=reason)
    before = snapshot(redis, keys)

    assert Retried(2) == dead.retry("payment", reason="poison", dry_run=True)
    assert 2 == dead.purge("payment", reason="poison", dry_run=True)
    assert before == snapshot(redis, keys)


def test_a_rate_spreads_jobs_over_moments_in_redis(
    dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys
) -> None:
    for _ in range(12):
        die()
    began_ms = redis.time()[0] * 1_000

    retried = dead.retry("payment", rate="4/s")

    state = snapshot(redis, keys)
    due = [moment for moment, _, _ in state.scheduled]
    assert Retried(12, 0, due[-1]) == retried
    assert 12 == len(due) + len(state.ready_normal)
    assert {250} == {later - sooner for sooner, later in itertools.pairwise(due)}
    assert due[0] >= began_ms
    assert 1 == state.wake


def test_a_priority_overrides_what_calls_and_tasks_ask_for(
    dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys
) -> None:
    die("charge", options=wire.Options(priority="normal"))
    die("refund")

    dead.retry("payment", priority="low")

    assert 2 == len(snapshot(redis, keys).ready_low)


def test_what_makes_no_sense_is_refused_before_anything_happens(dead: DeadLetters, die: Dead) -> None:
    entry = die()

    for wrong in ({"priority": "urgent"}, {"rate": "fast"}, {"only": [entry], "newer_than": "1h"}):
        with pytest.raises(InvalidOption):
            dead.retry("payment", **wrong)

    assert [entry] == names(dead.letters("payment"))


def test_a_deadline_that_would_have_passed_is_dropped_and_one_ahead_stays(
    dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys
) -> None:
    now = redis.time()[0] * 1_000
    ahead = now + 1_800_000
    die(deadline_ms=ahead)
    die(deadline_ms=ahead)
    die(deadline_ms=now - 1, reason="expired")

    dead.retry("payment", rate="1/h")

    state = snapshot(redis, keys)
    jobs = [held.job for held in state.ready_normal] + [job for _, _, job in state.scheduled]
    assert [None, None, ahead] == sorted(
        (wire.decode_job(job).deadline_ms for job in jobs), key=lambda deadline: deadline or 0
    )


def test_a_job_that_cannot_be_decoded_goes_back_as_it_is(dead: DeadLetters, redis: Driver, keys: DomainKeys) -> None:
    """A worker of another version may know its format."""
    bury(redis, keys, b"a format of tomorrow", reason="undecodable")

    assert Retried(1) == dead.retry("payment")
    assert (Held(b"a format of tomorrow"),) == snapshot(redis, keys).ready_normal


def test_more_letters_than_a_call_takes_go_in_batches_and_a_limit_holds(
    dead: DeadLetters, app: Heijunka, redis: Driver, keys: DomainKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = samples(3 * BATCH)
    for job in jobs:
        bury(redis, keys, job)
    calls = calls_of(app.connections.client, monkeypatch)

    retried = dead.retry("payment", limit=2 * BATCH + 5)

    assert Retried(2 * BATCH + 5) == retried
    assert [3 * BATCH + 1, 3 * BATCH + 1, 3 * 5 + 1] == [len(call.args) for call in calls if call.script == "revive"]
    state = snapshot(redis, keys)
    assert [id_of(job) for job in jobs[: 2 * BATCH + 5]] == [id_of(held.job) for held in state.ready_high]
    assert jobs[2 * BATCH + 5 :] == [letter.job for letter in state.dead]


def test_large_letters_go_in_smaller_batches(
    dead: DeadLetters, app: Heijunka, die: Dead, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        die(args={"order": "x" * 300_000})
    calls = calls_of(app.connections.client, monkeypatch)

    assert Retried(7) == dead.retry("payment")
    assert [3 * 4 + 1, 3 * 3 + 1] == [len(call.args) for call in calls if call.script == "revive"]


def test_what_dies_again_meanwhile_is_not_retried_by_the_same_call(
    dead: DeadLetters, app: Heijunka, redis: Driver, keys: DomainKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in samples(BATCH + 1):
        bury(redis, keys, job)
    execute, again = app.connections.client.execute, list[str]()

    def dying(command: Command[Any], *rest: Any) -> Any:
        reply = execute(command, *rest)
        if command.script == "revive":
            again.append(bury(redis, keys, command.args[3]))  # type: ignore[arg-type]  # a blob
        return reply

    monkeypatch.setattr(app.connections.client, "execute", dying)

    assert Retried(BATCH + 1) == dead.retry("payment")
    assert again == entries(redis, keys)


def test_letters_that_somebody_else_was_faster_with_are_counted_apart(
    dead: DeadLetters, app: Heijunka, die: Dead, redis: Driver, keys: DomainKeys, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = die(), die()
    execute = app.connections.client.execute

    def late(command: Command[Any], *rest: Any) -> Any:
        if command.script == "revive":
            redis.xdel(keys.dead, theirs)
        return execute(command, *rest)

    monkeypatch.setattr(app.connections.client, "execute", late)

    assert Retried(1, absent=1) == dead.retry("payment")
    assert mine not in entries(redis, keys)


def test_who_waits_for_the_result_waits_again(dead: DeadLetters, app: Heijunka, die: Dead, redis: Driver) -> None:
    letter = dead.letter("payment", die())
    job = app.named("refund").job(letter.id)
    redis.set(app.keys("payment").result(letter.id), failure(), px=60_000)
    assert "dead" == job.status().state

    dead.retry("payment")

    assert "queued" == job.status().state


# -- change and let go ---------------------------------------------------------------------------


def test_an_edit_changes_arguments_keeps_the_id_and_leaves_a_note(dead: DeadLetters, die: Dead, redis: Driver) -> None:
    began_ms = redis.time()[0] * 1_000
    before = dead.letter("payment", die("charge", {"order": ORDER, "amount": "9.90", "photo": b"\x00"}))

    after = dead.edit("payment", before.id, change={"amount": "8.50"}, drop=["photo"], by="ann")

    assert after == dead.letter("payment", before.id)
    assert (before.id, before.reason, before.failure) == (after.id, after.reason, after.failure)
    assert before.entry != after.entry
    assert {"order": UUID(ORDER), "amount": Decimal("8.50")} == dead.typed_arguments(after)
    [note] = after.notes
    assert Note(wire.FORMAT, note.at_ms, "ann", "amount set, photo dropped") == note
    assert began_ms <= note.at_ms <= after.since_ms + 1


def test_the_last_ten_changes_are_noted(dead: DeadLetters, die: Dead) -> None:
    letter = dead.letter("payment", die())

    for turn in range(12):
        letter = dead.edit("payment", letter.entry, change={"order": f"A{turn}"}, by=f"turn {turn}")

    assert [f"turn {turn}" for turn in range(2, 12)] == [note.by for note in letter.notes]


@pytest.mark.parametrize(
    ("change", "drop", "error"),
    [
        ({"amount": "much"}, [], UndecodableArguments),
        ({"amuont": "1"}, [], UndecodableArguments),
        ({}, ["order"], UndecodableArguments),
        ({}, ["photo"], InvalidOption),
        ({}, [], InvalidOption),
        ({"amount": object()}, [], NotEncodable),
        ({"photo": b"x" * 2_000}, [], PayloadTooLarge),
    ],
)
def test_an_edit_that_the_task_could_not_be_called_with_changes_nothing(
    dead: DeadLetters,
    die: Dead,
    redis: Driver,
    keys: DomainKeys,
    *,
    change: dict[str, Any],
    drop: list[str],
    error: type[Exception],
) -> None:
    entry = die("charge", {"order": ORDER, "amount": "9.90"})
    before = snapshot(redis, keys)

    with pytest.raises(error):
        dead.edit("payment", entry, change=change, drop=drop)

    assert before == snapshot(redis, keys)


def test_without_an_application_nothing_is_checked_and_an_unknown_task_can_be_changed(
    redis_url: str, namespace: str, dead: DeadLetters, die: Dead
) -> None:
    entry = die("forgotten", {"order": "A1"})
    with pytest.raises(UnknownTask):
        dead.edit("payment", entry, change={"order": 7})

    with Heijunka("nobody", redis_url=redis_url, namespace=namespace) as nobody:
        changed = nobody.control.dead.edit("payment", entry, change={"order": 7, "new": [1]})

    assert {"order": 7, "new": [1]} == changed.arguments()


def test_a_job_that_cannot_be_decoded_cannot_be_changed(dead: DeadLetters, redis: Driver, keys: DomainKeys) -> None:
    entries_ = [bury(redis, keys, b"nonsense"), bury(redis, keys, wire.encode_job(_job_with(wire.NOTHING)))]

    for entry in entries_:
        with pytest.raises(UndecodableJob):
            dead.edit("payment", entry, change={"order": "A2"})


def _job_with(args: msgspec.Raw) -> wire.Job:
    return wire.Job(wire.FORMAT, wire.new_id(), "refund", args)


def test_two_who_edit_one_letter_do_not_make_two_of_it(
    dead: DeadLetters, app: Heijunka, die: Dead, redis: Driver, keys: DomainKeys, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = die()
    execute = app.connections.client.execute

    def overtaken(command: Command[Any], *rest: Any) -> Any:
        if command.script == "amend" and len(entries(redis, keys)) == 1 and entries(redis, keys) == [entry]:
            monkeypatch.setattr(app.connections.client, "execute", execute)
            dead.edit("payment", entry, change={"order": "theirs"})
        return execute(command, *rest)

    monkeypatch.setattr(app.connections.client, "execute", overtaken)

    with pytest.raises(JobNotFound, match="meanwhile"):
        dead.edit("payment", entry, change={"order": "mine"})

    assert [{"order": "theirs"}] == [letter.arguments() for letter in dead.letters("payment")]


def test_a_letter_that_was_edited_is_not_retried_as_it_was(
    dead: DeadLetters, client: Client, die: Dead, redis: Driver, keys: DomainKeys
) -> None:
    """Somebody listed letters, another edited one, and only then the first retries what the list showed."""
    seen = dead.letter("payment", die())
    edited = dead.edit("payment", seen.entry, change={"order": "right"})

    reply = client.execute(revive(keys, [Revival(seen.entry, "n", seen.fresh(0))]))

    assert not isinstance(reply, commands.Overtaken)
    assert (0,) == reply.absent
    assert [edited.entry] == entries(redis, keys)


def test_purged_letters_are_gone_and_counted(dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys) -> None:
    stay, _, named = die(), die(reason="poison"), die()

    assert 1 == dead.purge("payment", reason="poison")
    assert 1 == dead.purge("payment", only=[named])
    assert 0 == dead.purge("payment", task="nobody")

    assert [stay] == entries(redis, keys)
    assert {"purged": 2} == snapshot(redis, keys).stats
    with pytest.raises(JobNotFound):
        dead.purge("payment", only=[named])


def test_a_domain_is_kept_within_bounds_only_when_it_is_told_to(
    dead: DeadLetters, die: Dead, redis: Driver, keys: DomainKeys
) -> None:
    now = redis.time()[0] * 1_000
    buried = [die(at=now - 60_000 * age) for age in range(260, 0, -1)]

    assert 10 == dead.trim("payment", older_than="250m30s")
    assert 240 == dead.trim("payment", keep=10)
    assert 0 == dead.trim("payment", keep=10, older_than="5h")

    assert buried[-10:] == entries(redis, keys)
    assert {"purged": 250} == snapshot(redis, keys).stats
    with pytest.raises(InvalidOption):
        dead.trim("payment")


def test_the_counters_add_up(dead: DeadLetters, app: Heijunka, client: Client, keys: DomainKeys) -> None:
    """enqueued + revived = ended + held; dead + buried = revived + purged + dead letters."""
    app.named("refund").enqueue_many([(f"A{number}",) for number in range(9)])
    client.execute(commands.join(keys, "w1", ttl=Milliseconds(60_000)))
    taken = client.execute(commands.pull(keys, "w1", 9, alone=True))
    assert isinstance(taken, commands.Pulled)
    ends = [
        commands.dead(entry, "", keep_ms=0, failure=failure(), reason="retries", job=entry.job)
        for entry in taken.entries[:6]
    ]
    client.execute(commands.settle(keys, [*ends, commands.ack(taken.entries[6])]))

    dead.retry("payment", limit=2)
    dead.retry("payment", limit=1, rate="1/h")
    dead.edit("payment", next(dead.letters("payment")).entry, change={"order": "B1"})
    dead.purge("payment", limit=1)
    dead.trim("payment", keep=1)

    depths = client.execute(commands.depths(keys))
    count = depths.counted
    ended = count("ack", "done", "dead", "buried", "gone")
    assert (9, 3, 2, 1) == (count("enqueued"), count("revived"), count("purged"), depths.dead)
    assert count("enqueued", "revived") == ended + depths.load + depths.scheduled
    assert count("dead", "buried") == count("revived", "purged") + depths.dead
