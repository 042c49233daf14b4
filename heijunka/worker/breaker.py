"""The breaker of one worker: counts what fails, and stops the worker pulling when too much does.

The rules are pure and stand in `heijunka.policies.breaker`; here is what holds their state, for threads.
"""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Final

from heijunka.clock import spell_ms
from heijunka.commands import Entry
from heijunka.policies import breaker as policy
from heijunka.policies.breaker import CLOSED, BreakerRules

log: Final = logging.getLogger("heijunka.worker")

ALERT_S: Final = 10.0
"""How long telling somebody may take."""

Place = tuple[int, bytes]


class Breaker:
    """The breaker of a worker and its domain.

    Parameters:
        rules: when it opens, and for how long.
        expected: exceptions that are no failures.
        worker, domain: whose it is.
        server_ms: now by Redis's clock.
        shown: called with the place of its word among `policies.breaker.WORDS` when that changes.
        opened: called when it opens, with what happened.

    Attributes:
        counts: whether it wants to know of attempts that succeed.
        closed: whether jobs may be pulled as ever.
        probe: the job that is tried while it is half-open.
        on_open: called when it opens, in the thread whose attempt failed: gives back what is not started.
    """

    def __init__(
        self,
        rules: BreakerRules,
        expected: tuple[type[BaseException], ...],
        *,
        worker: str,
        domain: str,
        server_ms: Callable[[], int],
        shown: Callable[[int], None],
        opened: Callable[[dict[str, object]], None],
    ) -> None:
        self._rules, self._expected, self._worker, self._domain = rules, expected, worker, domain
        self._server_ms, self._shown, self._opened = server_ms, shown, opened
        self._state, self._lock = CLOSED, threading.Lock()
        self._opened_ms = 0
        self.counts = rules.of > 0
        self.closed = True
        self.probe: Place | None = None
        self.on_open: Callable[[], None] = lambda: None

    def succeeded(self, entry: Entry) -> None:
        """An attempt succeeded."""
        with self._lock:
            if self.closed or self.probe == (entry.source, entry.id):
                self._become(policy.succeeded(self._rules, self._state))

    def failed(self, entry: Entry, error: BaseException) -> None:
        """An attempt failed with `error`. Only that of the probe says something while the breaker is not closed."""
        if isinstance(error, self._expected):
            return
        with self._lock:
            if not self.closed and self.probe != (entry.source, entry.id):
                return
            before = self._state
            self._become(policy.failed(self._rules, before, time.monotonic()))
            opens = self._state.word == "open"
        if opens:
            self._alarm(f"{type(error).__name__}: {error}"[:300])

    def wait_s(self) -> float | None:
        """How long nothing may be pulled, in seconds: 0 when one may be tried; None until somebody resets it."""
        now = time.monotonic()
        with self._lock:
            self._become(policy.rested(self._rules, self._state, now))
            if self._state.word != "open":
                return 0.0
            return None if self._rules.manual else max(0.0, self._state.until_s - now)

    def reset(self, asked_ms: int) -> None:
        """Close it, if it opened before somebody asked for that.

        Parameters:
            asked_ms: when, by Redis's clock.
        """
        with self._lock:
            if self.closed or asked_ms < self._opened_ms:
                return
            self._become(CLOSED)
        log.info("%s: the breaker of %s was reset", self._domain, self._worker)

    def _become(self, state: policy.BreakerState) -> None:
        before, self._state = self._state, state
        self.counts = self._rules.of > 0 or state is not CLOSED
        if before.word == state.word:
            return
        self.probe = None
        self.closed = state.word == "closed"
        self._shown(policy.WORDS.index(state.word))
        if self.closed:
            log.info("%s: the breaker of %s closed", self._domain, self._worker)

    def _alarm(self, error: str) -> None:
        self._opened_ms, state = self._server_ms(), self._state
        again = "until it is reset" if self._rules.manual else f"for {spell_ms(state.open_s * 1_000)}"
        log.error(
            "%s: the breaker of %s opened after %d failures, the last one %s: it pulls nothing %s",
            self._domain, self._worker, state.failures, error, again,
        )  # fmt: skip
        self.on_open()
        self._opened(
            {
                "alert": "breaker open",
                "domain": self._domain,
                "worker": self._worker,
                "failures": state.failures,
                "error": error,
                "open_s": None if self._rules.manual else state.open_s,
                "at_ms": self._opened_ms,
            }
        )


def alert(facts: dict[str, object], *, command: str | None, webhook: str | None) -> None:
    """Tell whoever wants to be told: the command on its stdin, the webhook as the body of a POST. Both as JSON.

    In a thread of its own: what takes long or fails is nobody's job.
    """
    if command or webhook:
        threading.Thread(target=_alert, args=(facts, command, webhook), name="alert", daemon=True).start()


def _alert(facts: dict[str, object], command: str | None, webhook: str | None) -> None:
    body = json.dumps(facts).encode()
    if command:
        try:
            subprocess.run(shlex.split(command), input=body, timeout=ALERT_S, check=True, capture_output=True)  # noqa: S603
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            log.warning("the alert command failed: %s", error)
    if webhook:
        request = urllib.request.Request(  # noqa: S310 - the setting takes http and https alone
            webhook, body, {"Content-Type": "application/json", "User-Agent": "heijunka"}, method="POST"
        )
        try:
            urllib.request.urlopen(request, timeout=ALERT_S).close()  # noqa: S310
        except (OSError, ValueError) as error:
            log.warning("the alert webhook failed: %s", error)
