"""Which dead letters a command is about: the application, its domains, letters by name, and what chooses among them.

The words of a command are the application's path and names of letters, in any order; they cannot be mistaken for
each other. Without an application letters are read all the same, but one has to say in which domain, and arguments
are neither typed nor checked.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from heijunka_cli import opening
from heijunka_cli.ending import Usage

if TYPE_CHECKING:
    from heijunka.app import Heijunka
    from heijunka.control.choice import ChoiceKeywords
    from heijunka.control.dead import DeadLetters
    from heijunka.control.letter import Letter

Command = Callable[..., Any]

_NAME: Final = re.compile(r"\d+-\d+|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_CHOICE: Final = ("task", "reason", "fingerprint", "older_than", "newer_than")


class Scope(NamedTuple):
    """What a command is about.

    Attributes:
        app: the application; one without tasks when none is named.
        domains: where to look.
        names: of letters; none for those that `choice` chooses.
        choice: task, reason, fingerprint and ages, as far as they were given.
        narrowed: whether anything was said about which letters: names, a choice or a domain.
    """

    app: Heijunka
    domains: tuple[str, ...]
    names: tuple[str, ...]
    choice: ChoiceKeywords
    narrowed: bool

    @property
    def dead(self) -> DeadLetters:
        """The dead letters of the application."""
        return self.app.control.dead

    def letters(self, *, newest: bool = False) -> Iterator[Letter]:
        """The letters that are meant, of all domains, as they are read: the oldest first, or the newest."""
        streams = [self._of(domain, names, newest=newest) for domain, names in self.by_domain()]
        return heapq.merge(*streams, key=_order, reverse=newest)

    def by_domain(self) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        """The domains, each with the names of its letters; None for those that are chosen otherwise.

        Raises:
            JobNotFound: a letter is in none of the domains.
            Usage: a letter is in several.
        """
        if not self.names:
            yield from ((domain, None) for domain in self.domains)
            return
        homes = {name: self._home(name) for name in self.names}
        for domain in self.domains:
            names = tuple(name for name, home in homes.items() if home == domain)
            if names:
                yield domain, names

    def _of(self, domain: str, names: tuple[str, ...] | None, *, newest: bool) -> Iterator[Letter]:
        if names is None:
            return self.dead.letters(domain, newest=newest, **self.choice)
        return iter(sorted((self.dead.letter(domain, name) for name in names), key=_order, reverse=newest))

    def _home(self, name: str) -> str:
        homes = [domain for domain in self.domains if self._has(domain, name)]
        if not homes:
            from heijunka.errors import JobNotFound

            raise JobNotFound(
                f"there is no dead letter {name} in {', '.join(self.domains)}",
                hint="it may have been retried, changed or purged meanwhile",
                job_id=name,
            )
        if len(homes) > 1:
            raise Usage(f"{' and '.join(homes)} have a letter {name} each", hint=f"write --domain {homes[0]}")
        return homes[0]

    def _has(self, domain: str, name: str) -> bool:
        from heijunka.errors import JobNotFound

        try:
            self.dead.letter(domain, name)
        except JobNotFound:
            return False
        return True


def _order(letter: Letter) -> tuple[int, int]:
    ms, _, sequence = letter.entry.partition("-")
    return int(ms), int(sequence)


def scoped(*, choosing: bool = True) -> Callable[[Command], Command]:
    """Give a command the words and options that say which letters it is about, and call it with their `Scope`.

    Parameters:
        choosing: whether letters may be chosen by more than their names.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def called(
            words: tuple[str, ...],
            domain: tuple[str, ...],
            redis_url: str | None,
            namespace: str | None,
            **given: Any,
        ) -> Any:
            choice: Any = {name: given.pop(name) for name in _CHOICE if name in given}
            choice = {name: value for name, value in choice.items() if value is not None}
            overrides = opening.overrides_of(redis_url=redis_url, namespace=namespace)
            with _opened(words, domain, overrides, choice) as scope:
                return command(scope, **given)

        options: Command = opening.redis_flags(called)
        if choosing:
            for option in reversed(_choosing()):
                options = option(options)
        options = click.option(
            "-d", "--domain", multiple=True, metavar="NAME", help="Only of this domain; may be repeated."
        )(options)
        return click.argument("words", nargs=-1, metavar="[APP] [LETTER]...")(options)

    return decorate


def _choosing() -> list[Callable[[Command], Command]]:
    return [
        click.option("--task", metavar="NAME", help="Only of this task."),
        click.option("--reason", metavar="WORD", help="Only what died of this, such as poison."),
        click.option("--fingerprint", metavar="HEX", help="Only what failed alike; 4 digits will do."),
        click.option("--older-than", metavar="AGE", help="Only what has lain here for longer, such as 7d."),
        click.option("--newer-than", metavar="AGE", help="Only what has lain here for no longer."),
    ]


@contextlib.contextmanager
def _opened(
    words: Sequence[str], domains: tuple[str, ...], overrides: dict[str, Any], choice: ChoiceKeywords
) -> Iterator[Scope]:
    names = tuple(dict.fromkeys(word.lower() for word in words if _NAME.fullmatch(word)))
    paths = [word for word in words if not _NAME.fullmatch(word)]
    if len(paths) > 1:
        raise Usage(
            f"{paths[1]!r} names no letter", hint="a letter is named by what a list shows first, or by its job's id"
        )
    with opening.application(paths[0] if paths else None, overrides) as app:
        where = tuple(dict.fromkeys(domains)) or app.domains
        if not where:
            raise Usage("no domain is named", hint="write --domain NAME, or the application's path")
        yield Scope(app, where, names, choice, bool(names or choice or domains))
