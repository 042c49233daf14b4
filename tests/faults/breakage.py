"""Heijunka with one thing broken on purpose, to see that the checker notices.

A break is either text of a script that is replaced, or a function that patches the process it is called in.
Processes of a host are broken as they start: `environ(name)` makes Python call `break_this_process` in each of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from heijunka.broker import scripts
from heijunka.broker.scripts import Script

BREAK: Final = "HEIJUNKA_TEST_BREAK"
"""Names the break in the environment of a host."""

FOLDER: Final = Path(__file__).with_name("breaks")


class Mutation(msgspec.Struct, frozen=True):
    """Text of a script, and what stands there instead.

    Attributes:
        script: its name.
        old: what is replaced; it stands there once.
        new: by what.
    """

    script: str
    old: str
    new: str

    def __call__(self) -> None:
        """Let this process load the script with its text replaced."""
        load = scripts.load

        def broken(name: str) -> Script:
            return self.mutant() if name == self.script else load(name)

        scripts.load = broken  # type: ignore[assignment]  # that is the point

    def mutant(self) -> Script:
        """The script, broken.

        Raises:
            AssertionError: the text is not there: the script changed, and this break with it has to.
        """
        from hashlib import sha1

        script = _load(self.script)
        assert script.source.count(self.old) == 1, f"{self.script} has no {self.old!r} to break"
        source = script.source.replace(self.old, self.new)
        return msgspec.structs.replace(script, source=source, sha=sha1(source.encode()).hexdigest())  # noqa: S324 - Redis's


_load = scripts.load


def ack_before_run() -> None:
    """An attempt is acked when it starts, as queues without acknowledgement do."""
    from heijunka import commands
    from heijunka.commands.settle import Outcome
    from heijunka.worker.attempt import Attempt
    from heijunka.worker.inline import InlineExecutor

    ran = InlineExecutor._ran

    def acked_first(self: InlineExecutor, attempt: Attempt) -> Outcome:
        entry = attempt.entry
        self._settler.put(entry, commands.ack(entry))
        while (entry.source, entry.id) in self._settler.held:
            time.sleep(0.001)
        return ran(self, attempt)

    InlineExecutor._ran = acked_first  # type: ignore[method-assign]  # that is the point


def renew_nothing() -> None:
    """Leases of living workers run out."""
    from heijunka.worker.keeper import Keeper

    Keeper._renew = lambda self, domain: None  # type: ignore[method-assign]  # that is the point


def spare_children() -> None:
    """What a task started outlives its worker."""
    from heijunka.worker import mortality

    mortality.kill_group = lambda *_, **__: None
    mortality.end_strays = lambda *_, **__: None
    mortality.descendants = lambda pid: iter(())


BREAKS: Final[dict[str, Callable[[], None]]] = {
    "ack before run": ack_before_run,
    "recover without re-add": Mutation("recover", "redis.call('XADD', home, '*', unpack(fields))", ""),
    "session check removed": Mutation("enqueue", "if not last then", "if true then"),
    "counter beside the stream": Mutation(
        "enqueue",
        "local seen, reply = recall(session, seq)",
        "redis.call('HINCRBY', stats, 'enqueued', (#ARGV - 2) / 2)\nlocal seen, reply = recall(session, seq)",
    ),
    "fence removed": Mutation("settle", "if acked == #ids then", "if true then"),
    "leases not renewed": renew_nothing,
    "consumers kept": Mutation("recover", "redis.pcall('XGROUP', 'DELCONSUMER', stream, GROUP, worker)", ""),
    "children spared": spare_children,
}


def environ(name: str) -> dict[str, str]:
    """What a host's processes have in their environment to be broken."""
    root = FOLDER.parents[2]
    return {BREAK: name, "PYTHONPATH": os.pathsep.join(map(str, (FOLDER, root, root / "cli")))}


def break_this_process() -> None:
    """Break what the environment says."""
    if BREAK in os.environ:
        BREAKS[os.environ[BREAK]]()
