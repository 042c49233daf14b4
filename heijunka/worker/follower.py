"""Tell the leader what this supervisor has, and be told what it should have.

Pools follow targets; without a leader nothing new comes and they stay as they are. A ring of this supervisor's bell
says that there is news, so a target is followed at once and not at the next look.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Final

from heijunka import commands
from heijunka.broker.client import Client
from heijunka.broker.conversation import Patience
from heijunka.broker.outage import Outage
from heijunka.clock import Milliseconds
from heijunka.commands import Report
from heijunka.errors import HeijunkaError
from heijunka.keys import NamespaceKeys

REPORT_EVERY_S: Final = 1.0
BELIEVED_MS: Final = Milliseconds(5_000)
"""How long a report is believed: a supervisor that was killed is missed after this."""


class Follower:
    """The thread that reports, and hears of targets.

    Parameters:
        client: opens its channels.
        keys: of the namespace.
        name: of the supervisor.
        told: called with the workers that each pool should have here, by domain, when that changed.
        called: called when somebody wants the workers to look at what changed.
        away: called when Redis cannot be reached; see `Outage`.

    """

    def __init__(
        self,
        client: Client,
        keys: NamespaceKeys,
        name: str,
        *,
        told: Callable[[Mapping[str, int]], None],
        called: Callable[[], None],
        away: Callable[[], None] | None = None,
    ) -> None:
        self._channel = client.channel()
        self._waiting = client.blocking(longest_s=REPORT_EVERY_S)
        self._keys, self._name, self._told, self._called = keys, name, told, called
        self._outage = Outage("follower", away=away)
        self._wanted: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._report: Report | None = None
        self._may_tell = threading.Event()

    def note(self, report: Report) -> None:
        """What the supervisor has; to be said at least as often as it is sent, `REPORT_EVERY_S`."""
        self._report = report
        self._may_tell.set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to sign off and to end."""
        self._stopping.set()
        self._may_tell.set()
        self._waiting.interrupt()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; whether it has within `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        bell, known = self._keys.call(self._name), False
        self._may_tell.wait()
        while not self._stopping.is_set():
            try:
                self._tell()
                if not known:  # whoever called before did not know of us
                    known = True
                    self._called()
                self._outage.over()
                if self._waiting.plain("BLPOP", bell, f"{REPORT_EVERY_S:.3f}", patience=Patience(0)):
                    self._called()
            except HeijunkaError as error:
                if self._stopping.is_set():
                    break
                self._stopping.wait(self._outage.failed(error))
        with contextlib.suppress(HeijunkaError):  # then it is missed after `BELIEVED_MS`
            self._channel.execute(commands.withdraw(self._keys, self._name), Patience(0))
        self._channel.close()
        self._waiting.close()

    def _tell(self) -> None:
        says = self._report
        if says is None:
            return
        targets = self._channel.execute(commands.report(self._keys, self._name, says, ttl=BELIEVED_MS), Patience(0))
        wanted = {
            domain: target.split[self._name]
            for domain, target in targets.items()
            if domain in says.pools and self._name in target.split
        }
        if wanted != self._wanted:
            self._wanted = wanted
            self._told(wanted)
