"""What doctor looks at on this side of Redis: Python, packages, settings, the application, the embedded server.

Nothing here raises: what is wrong becomes a finding, and what can still be looked at is looked at.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from heijunka._version import __version__
from heijunka.config import SETTINGS, Settings
from heijunka.control import health
from heijunka.control.health import Finding
from heijunka.counted import counted
from heijunka.errors import HeijunkaError
from heijunka.keys import DomainKeys, domain_keys
from heijunka_cli import opening
from heijunka_cli.ending import Usage

if TYPE_CHECKING:
    from heijunka.app import Heijunka
    from heijunka.app.connections import Connections

PACKAGES: Final = ("redis", "hiredis", "msgspec", "click", "rich", "prometheus-client", "cronsim")
LONGEST_WAIT_S: Final = 2.0
"""How long to try to reach Redis, where the settings would try longer."""


def findings(path: str | None, overrides: dict[str, Any]) -> Iterator[Finding]:
    """Look at everything.

    Parameters:
        path: of the application, or None for the configured one, if any.
        overrides: settings given as flags.
    """
    yield _python()
    yield _packages()
    try:
        settings = opening.settings_of(overrides)
    except HeijunkaError as error:
        yield _failed("settings", error)
        return
    yield _settings(settings)
    app = None
    try:
        app = opening.load(opening.named(path, overrides))
        settings = app.settings
        size = f"{counted(len(app.tasks), 'task')} in {counted(len(app.domains), 'domain')}"
        yield Finding("app", "ok", f"{path or settings.app}: {size}")
        yield from _tasks(app)
    except Usage:
        yield Finding("app", "ok", "none is named, so none was looked at")
    except HeijunkaError as error:
        yield _failed("app", error)
    yield from _redis(settings, app, path)


def _python() -> Finding:
    what = f"{platform.python_implementation()} {platform.python_version()}"
    return Finding("python", "ok", f"{what} ({sys.executable})")


def _packages() -> Finding:
    found, missing = [f"heijunka {__version__}"], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Finding("packages", "ok", ", ".join(found))


def _settings(settings: Settings) -> Finding:
    given = [f"{name} ({settings.origin(name)})" for name in SETTINGS if settings.origin(name) != "default"]
    return Finding("settings", "ok", f"given: {', '.join(given)}" if given else "all have their defaults")


def _tasks(app: Heijunka) -> Iterator[Finding]:
    wrong = []
    for task in app.tasks.values():
        try:
            task.signature.prepare()
        except HeijunkaError as error:
            wrong.append(_failed("tasks", error))
    yield from wrong
    if not app.tasks:
        yield Finding("tasks", "fail", "the application has no task", "decorate a function with @task")
    elif not wrong:
        yield Finding("tasks", "ok", "all annotations resolve")


def _redis(settings: Settings, app: Heijunka | None, path: str | None) -> Iterator[Finding]:
    from heijunka.app.connections import Connections
    from heijunka.broker.client import Client

    origin = settings.origin("redis_url")
    with ExitStack() as opened:
        connections = Connections(settings)
        opened.callback(connections.close)
        if settings.redis_url is None:
            embedded = _embedded(connections)
            yield embedded
            if embedded.status == "fail":
                return
        else:
            yield Finding("redis", "ok", f"{settings.shown('redis_url')} ({origin})")
        timeout_s = min(LONGEST_WAIT_S, settings.redis_timeout_ms / 1_000)
        client = opened.enter_context(Client(connections.url, role="doctor", timeout_s=timeout_s))
        namespace = app.namespace if app is not None else settings.namespace or "heijunka"
        served = [domain_keys(namespace, domain) for domain in app.domains] if app is not None else []
        try:
            yield from _reached(client, namespace, served, path)
        except HeijunkaError as error:
            yield _failed("reachable", error)


def _reached(client: Any, namespace: str, served: list[DomainKeys], path: str | None) -> Iterator[Finding]:
    from heijunka import commands

    sound = True
    for finding in health.examine(client, (served or [domain_keys(namespace, "default")])[0]):
        sound = sound and not (finding.check == "server" and finding.status == "fail")
        yield finding
    for keys in served if sound else ():
        held = client.execute(commands.depths(keys))
        yield health.domain(keys, held, app=path)
        yield health.limits(keys, held)


def _embedded(connections: Connections) -> Finding:
    from heijunka.server import EmbeddedServer

    try:
        before = EmbeddedServer().status()
        url = connections.url
    except HeijunkaError as error:
        return _failed("redis", error)
    state = f"running, {counted(len(before.users), 'user')}" if before.running else "started to look at it"
    return Finding("redis", "ok", f"none is configured: the embedded server, {state} ({url})")


def _failed(check: str, error: HeijunkaError) -> Finding:
    return Finding(check, "fail", str(error), error.hint)
