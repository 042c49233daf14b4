"""Dead letters: look at them, retry them, change them, let go of them.

A letter is named by its entry id, and each change of it is one atomic step on that entry: two operators, or one and
a lost reply, cannot make one letter two jobs, nor none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar, Unpack, get_args

import msgspec

from heijunka import wire
from heijunka.broker.client import Client
from heijunka.clock import Duration, duration_ms
from heijunka.commands.enqueue import Overtaken, where
from heijunka.commands.letters import Gone, Revival, amend, purge, revive, trim
from heijunka.config import did_you_mean
from heijunka.control.arguments import changed, job_of, typed
from heijunka.control.choice import ChoiceKeywords, chosen
from heijunka.control.letter import Letter, Note, noted
from heijunka.control.reading import batches, find, most, read, server_clock
from heijunka.control.spread import Spread, rate_per_s
from heijunka.control.tasks import KnownTask
from heijunka.errors import InvalidOption, JobNotFound, PayloadTooLarge, Unconfirmed
from heijunka.keys import PRIORITIES, DomainKeys, Priority

T = TypeVar("T")

By = Literal["fingerprint", "task", "reason"]


class Group(msgspec.Struct, frozen=True):
    """Letters that have something in common.

    Attributes:
        key: what that is: a fingerprint, a task or a reason.
        letters: how many they are.
        oldest_ms: since when the oldest lies here, ms since the epoch by Redis's clock.
        newest_ms: since when the newest does.
        example: the newest.
    """

    key: str
    letters: int
    oldest_ms: int
    newest_ms: int
    example: Letter


class Retried(msgspec.Struct, frozen=True):
    """What a retry did, or would do.

    Attributes:
        letters: how many are jobs again.
        absent: how many were gone already: retried, changed or purged by somebody else.
        last_due_ms: when the last of them is due, ms since the epoch by Redis's clock; None without a rate.
    """

    letters: int
    absent: int = 0
    last_due_ms: int | None = None


class DeadLetters:
    """The dead letters of an application's domains; `app.control.dead`.

    Letters are named by their entry ids, or by the ids of their jobs.

    Parameters:
        client: executes commands.
        keys: the keys of a domain by its name.
        tasks: the application's tasks by name; without any, arguments are neither typed nor checked.
        max_payload: the most bytes that the encoded arguments of a call may take.

    Example:
        >>> for letter in app.control.dead.letters("payment", reason="poison"):  # doctest: +SKIP
        ...     print(letter.id, letter.task, letter.message)
    """

    def __init__(
        self,
        client: Client,
        keys: Callable[[str], DomainKeys],
        tasks: Mapping[str, KnownTask],
        *,
        max_payload: int,
    ) -> None:
        self._client, self._keys, self._tasks, self._max_payload = client, keys, tasks, max_payload

    # -- look -----------------------------------------------------------------------------------

    def letters(
        self, domain: str, *, newest: bool = False, limit: int | None = None, **given: Unpack[ChoiceKeywords]
    ) -> Iterator[Letter]:
        """The letters of a domain, as they are read.

        Parameters:
            domain: its name.
            newest: the newest first instead of the oldest.
            limit: how many at most.
            given: task, reason, fingerprint, older_than, newer_than; see `ChoiceKeywords`.

        Raises:
            InvalidOption: what is given makes no sense; at once, not when the first letter is read.
            BrokerError: Redis cannot be reached, or answered with an error.
        """
        return most(read(self._client, self._keys(domain), chosen(**given), newest=newest), limit)

    def letter(self, domain: str, name: str) -> Letter:
        """One letter by its entry id or by its job's id.

        Raises:
            JobNotFound: there is no such letter.
            InvalidOption: the name is neither an entry id nor a job's id.
        """
        return find(self._client, self._keys(domain), name)

    def grouped(self, domain: str, by: By = "fingerprint", **given: Unpack[ChoiceKeywords]) -> list[Group]:
        """The letters of a domain by what they have in common, the largest group first.

        Parameters:
            domain: its name.
            by: "fingerprint", "task" or "reason".
            given: which letters; see `ChoiceKeywords`.

        Raises:
            InvalidOption: what is given makes no sense.
        """
        if by not in get_args(By):
            raise InvalidOption(f"letters are not grouped by {by!r}", hint=did_you_mean(by, get_args(By)), option="by")
        groups: dict[str, Group] = {}
        for letter in self.letters(domain, **given):
            key: str = getattr(letter, by)
            known = groups.get(key)
            oldest_ms = letter.since_ms if known is None else known.oldest_ms
            groups[key] = Group(key, known.letters + 1 if known else 1, oldest_ms, letter.since_ms, letter)
        return sorted(groups.values(), key=lambda group: (-group.letters, group.key))

    def typed_arguments(self, letter: Letter) -> dict[str, Any]:
        """What a letter's task was called with, in the types of its signature.

        Raises:
            UndecodableJob: its job cannot be decoded.
            UnknownTask: the application has no such task.
            UndecodableArguments: they do not fit the task's signature.
        """
        return typed(job_of(letter), self._tasks)

    # -- retry ----------------------------------------------------------------------------------

    def retry(
        self,
        domain: str,
        *,
        only: Iterable[str] | None = None,
        priority: Priority | None = None,
        rate: float | str | None = None,
        limit: int | None = None,
        dry_run: bool = False,
        **given: Unpack[ChoiceKeywords],
    ) -> Retried:
        """Make letters jobs again, with all their attempts before them.

        Each letter goes in the very step in which its job comes back. It happens in batches of up to 200; when a
        batch fails, those before it have happened, and the same call again goes on where it ended.

        Parameters:
            domain: its name.
            only: names of letters; which of them, says `given`.
            priority: of the jobs; what their calls or tasks ask for when left out.
            rate: jobs a second, or text such as "50/s": each job is given its own moment in Redis, so nobody
                has to stay. All of them at once when left out.
            limit: how many at most.
            dry_run: only count.
            given: which letters; see `ChoiceKeywords`.

        Raises:
            JobNotFound: one of `only` is not there; then nothing was retried.
            InvalidOption: what is given makes no sense.
            Unconfirmed: Redis did not confirm in time; call again.

        Example:
            >>> app.control.dead.retry("payment", task="charge", newer_than="1h", rate="50/s")  # doctest: +SKIP
            Retried(letters=1200, absent=0, last_due_ms=1767225600000)
        """
        if priority is not None and priority not in PRIORITIES:
            raise InvalidOption(f"priority {priority!r} is none of {', '.join(PRIORITIES)}", option="priority")
        per_s = None if rate is None else rate_per_s(rate)
        meant = self._meant(domain, only, limit, given)
        if dry_run:
            return Retried(sum(1 for _ in meant))
        clock = server_clock(self._client)
        spread = None if per_s is None else Spread(per_s, clock)
        retried, absent, last_due_ms = 0, 0, None
        for batch in batches(meant):
            revivals = []
            for letter in batch:
                last_due_ms = None if spread is None else spread.due_ms()
                place = where(priority or self._priority(letter), at_ms=last_due_ms)
                revivals.append(Revival(letter.entry, place, letter.fresh(last_due_ms or round(clock()))))
            reply = _confirmed(self._client.execute(revive(self._keys(domain), revivals)))
            absent += len(reply.absent)
            retried += len(batch) - len(reply.absent)
        return Retried(retried, absent, last_due_ms)

    # -- change and let go ----------------------------------------------------------------------

    def edit(
        self,
        domain: str,
        name: str,
        *,
        change: Mapping[str, Any] | None = None,
        drop: Iterable[str] = (),
        by: str = "",
    ) -> Letter:
        """Change what a letter's task will be called with; its job keeps its id, and the change is noted.

        Parameters:
            domain: its name.
            name: of the letter.
            change: arguments by name, values of the types that tasks take.
            drop: names of arguments to leave to their defaults.
            by: who changes it, for the note.

        Returns:
            The letter as it is now; it has another entry id.

        Raises:
            JobNotFound: there is no such letter, or somebody else changed it meanwhile.
            UndecodableJob: the job cannot be decoded.
            UnknownTask, UndecodableArguments: the application has no such task, or it cannot be called so.
            NotEncodable: a value has a type that cannot be encoded.
            PayloadTooLarge: the encoded arguments are larger than `max_payload`.

        Example:
            >>> app.control.dead.edit("payment", "1767225600000-0", change={"cents": 99})  # doctest: +SKIP
        """
        letter = self.letter(domain, name)
        job, said = changed(job_of(letter), change or {}, tuple(drop))
        if self._tasks:
            typed(job, self._tasks)
        size = len(bytes(job.args))
        if size > self._max_payload:
            raise PayloadTooLarge(
                f"the arguments take {size:,} bytes, more than max_payload, {self._max_payload:,}",
                size=size,
                limit=self._max_payload,
            )
        note = Note(wire.FORMAT, round(server_clock(self._client)()), by[:200], said)
        notes, blob = noted(letter, note), wire.encode_job(job)
        command = amend(self._keys(domain), letter.entry, job=blob, notes=msgspec.msgpack.encode(notes))
        reply = self._client.execute(command)
        if isinstance(reply, Gone):
            raise JobNotFound(f"letter {name} was changed by somebody else meanwhile", hint="look again", job_id=name)
        return msgspec.structs.replace(letter, entry=_confirmed(reply).entry, job=job, blob=blob, notes=notes)

    def purge(
        self,
        domain: str,
        *,
        only: Iterable[str] | None = None,
        limit: int | None = None,
        dry_run: bool = False,
        **given: Unpack[ChoiceKeywords],
    ) -> int:
        """Delete letters for good; each is counted as `purged`.

        Parameters:
            domain: its name.
            only: names of letters; which of them, says `given`.
            limit: how many at most.
            dry_run: only count.
            given: which letters; see `ChoiceKeywords`.

        Returns:
            How many were deleted, or would be.

        Raises:
            JobNotFound: one of `only` is not there; then nothing was deleted.
        """
        meant, keys = self._meant(domain, only, limit, given), self._keys(domain)
        if dry_run:
            return sum(1 for _ in meant)
        return sum(
            _confirmed(self._client.execute(purge(keys, [letter.entry for letter in batch]))).letters
            for batch in batches(meant)
        )

    def trim(self, domain: str, *, older_than: Duration | None = None, keep: int | None = None) -> int:
        """Delete the oldest letters beyond a bound; each is counted as `purged`.

        Supervisors do the same once a minute where the settings `dead_max_age` and `dead_max_count` say so.

        Parameters:
            domain: its name.
            older_than: letters that have lain here for longer go (seconds, or text such as "30d").
            keep: so many of the newest are kept; 0 or more.

        Returns:
            How many were deleted.

        Raises:
            InvalidOption: no bound is given, or one makes no sense.

        Example:
            >>> app.control.dead.trim("payment", older_than="30d", keep=100_000)  # doctest: +SKIP
        """
        if older_than is None and keep is None:
            raise InvalidOption("no bound is given", hint='say older_than="30d" or keep=100_000', option="keep")
        age_ms = None if older_than is None else duration_ms(older_than, option="older_than")
        command = trim(self._keys(domain), age_ms=age_ms, keep=None if keep is None else max(keep, 0))
        trimmed = 0
        while True:
            reply = self._client.execute(command)
            trimmed += reply.letters
            if not reply.more:
                return trimmed

    # -- what these are made of -----------------------------------------------------------------

    def _meant(
        self, domain: str, only: Iterable[str] | None, limit: int | None, given: ChoiceKeywords
    ) -> Iterator[Letter]:
        if only is None:
            return self.letters(domain, limit=limit, **given)
        choice = chosen(**given)
        if choice.by_age:
            raise InvalidOption("letters are named, or chosen by age; not both", option="older_than")
        named = {letter.entry: letter for letter in [self.letter(domain, name) for name in only]}
        return most((letter for letter in named.values() if choice.fits(letter)), limit)

    def _priority(self, letter: Letter) -> Priority:
        asked = letter.job.options.priority if letter.job is not None and letter.job.options is not None else None
        for priority in PRIORITIES:
            if priority == asked:
                return priority
        task = self._tasks.get(letter.task)
        return task.task_options.priority if task is not None else "normal"


def _confirmed(reply: T | Overtaken) -> T:
    if isinstance(reply, Overtaken):
        raise Unconfirmed("a later call of this caller was done before", hint="look, and do it again")
    return reply
