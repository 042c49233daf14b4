"""The application a command works with: its path, the flags that override its settings, and loading it.

`APP` may be left out when the setting `app` names one. What the application's own code raises while it is
imported is told in one line with its place, like every other error.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from heijunka_cli.ending import Usage

if TYPE_CHECKING:
    from heijunka.app import Heijunka
    from heijunka.config import Settings

F = TypeVar("F", bound=Callable[..., Any])

FLAGS: Final = ("redis_url", "namespace", "log_level", "max_jobs", "max_memory")
"""Settings that commands have flags for."""


class Named(NamedTuple):
    """Which application, and what the command line says about it.

    Attributes:
        path: `shop.tasks:app`.
        settings: without what the application itself sets.
        overrides: the settings that were given as flags.
    """

    path: str
    settings: Settings
    overrides: dict[str, Any]


def redis_flags(command: F) -> F:
    """Give a command the flags of those that talk to Redis."""
    url = click.option("--redis-url", metavar="URL", help="Where Redis is.")
    namespace = click.option("--namespace", metavar="NAME", help="The first part of every key.")
    return url(namespace(command))


def overrides_of(**flags: Any) -> dict[str, Any]:
    """The settings among a command's flags that were given."""
    return {name: value for name, value in flags.items() if name in FLAGS and value is not None}


def settings_of(overrides: dict[str, Any]) -> Settings:
    """The settings, flags included.

    Raises:
        ConfigError: one of them is wrong.
    """
    from heijunka.config import load_settings

    return load_settings(overrides, origins={name: f"flag --{name.replace('_', '-')}" for name in overrides})


def named(path: str | None, overrides: dict[str, Any]) -> Named:
    """Which application a command is about.

    Parameters:
        path: as it was given, or None.
        overrides: the settings that were given as flags.

    Raises:
        Usage: it was not given, and the settings name none.
        ConfigError: a setting is wrong.
    """
    settings = settings_of(overrides)
    found = path or settings.app
    if found is None:
        raise Usage("no application is named", hint="write its path, such as shop.tasks:app, or set HEIJUNKA_APP")
    return Named(found, settings, overrides)


def load(which: Named) -> Heijunka:
    """Load an application and override its settings.

    Raises:
        AppError: it cannot be loaded.
    """
    from heijunka.app import load_app

    # What the module prints is talk; stdout is for the command's data.
    with telling(which.path), contextlib.redirect_stdout(sys.stderr):
        app = load_app(which.path)
    app.override(which.overrides, "flag")
    return app


@contextlib.contextmanager
def application(path: str | None, overrides: dict[str, Any]) -> Iterator[Heijunka]:
    """The application at a path, or the one that the settings name, or one without tasks; closed afterwards.

    Raises:
        AppError: it cannot be loaded.
        ConfigError: a setting is wrong.
    """
    if path is None and settings_of(overrides).app is None:
        from heijunka.app import Heijunka

        app = Heijunka()
        app.override(overrides, "flag")
    else:
        app = load(named(path, overrides))
    with app:
        yield app


@contextlib.contextmanager
def telling(path: str) -> Iterator[None]:
    """Tell in one line what the code of the application at `path` raises."""
    from heijunka.errors import AppError, HeijunkaError

    try:
        yield
    except HeijunkaError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {_first_line(error)}".rstrip(": ")
        raise AppError(
            f"{path} cannot be loaded: {what}{_place(error)}", hint="heijunka --debug … shows the traceback", path=path
        ) from error


def _first_line(error: BaseException) -> str:
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    return words.partition("\n")[0]


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f" ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith("<frozen ")]
    return f" ({theirs[-1].filename}:{theirs[-1].lineno})" if theirs else ""
