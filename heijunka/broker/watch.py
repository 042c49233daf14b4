"""Who waits for which keys, and what has to be asked of Redis for them. No I/O.

No wake-up is lost, because a key is looked at again after its channel's subscription was confirmed: what
was written before that is seen by this look, what is written after it is announced. After a broken
connection everything starts over, because an announcement may have been lost with it. A confirmation
only counts when none of an earlier subscription to the same channel is still to come.
"""

from __future__ import annotations

import contextlib
import enum
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from typing import Final, Literal

Verb = Literal["SUBSCRIBE", "UNSUBSCRIBE"]

CHANNELS_A_CALL: Final = 500


class Waiter(Future[None]):
    """One wait for some keys. It is resolved when all of them are there.

    Parameters:
        keys: what is waited for; each is also the channel on which it is announced.

    Attributes:
        missing: the keys that are not there yet.
        unseen: those of them that Redis has not been asked about since it was last away.
        found: what the others hold.
    """

    def __init__(self, keys: Iterable[bytes]) -> None:
        super().__init__()
        self.missing = set(keys)
        self.unseen = set(self.missing)
        self.found: dict[bytes, bytes] = {}
        self.is_hurried = False

    def hurry(self) -> None:
        """Be resolved as soon as every key was looked at, whether or not it was there."""
        self.is_hurried = True
        self.weigh()

    def weigh(self) -> None:
        """Be resolved if there is nothing more to wait for."""
        if not self.missing or (self.is_hurried and not self.unseen):
            with contextlib.suppress(InvalidStateError):  # by both sides at once, or given up meanwhile
                self.set_result(None)

    def fail(self, error: Exception) -> None:
        """Be resolved with an error."""
        with contextlib.suppress(InvalidStateError):
            self.set_exception(error)


class _Stage(enum.Enum):
    LOOKING = "is looked at"
    SUBSCRIBING = "was not there, and its channel's subscription is to be confirmed"
    SUBSCRIBED = "will be announced"


class Watch:
    """The keys that are waited for. For one thread.

    Its owner tells it what Redis said, and asks what to send: `looks` on one connection, whose answers
    come in order, and `calls` on another, which is subscribed.
    """

    def __init__(self) -> None:
        self._waiters: dict[bytes, set[Waiter]] = {}
        self._stages: dict[bytes, _Stage] = {}
        self._unconfirmed: Counter[bytes] = Counter()
        self._looks: dict[bytes, None] = {}
        self._calls: list[tuple[Verb, bytes]] = []

    def __len__(self) -> int:
        """How many keys are waited for."""
        return len(self._waiters)

    @property
    def is_subscribing(self) -> bool:
        """Whether a subscription is to be confirmed."""
        return bool(self._unconfirmed)

    # -- who waits -----------------------------------------------------------------------------

    def take(self, waiter: Waiter) -> None:
        """Serve one more. It gets a look of its own also where others wait already."""
        for key in waiter.missing:
            self._waiters.setdefault(key, set()).add(waiter)
            self._stages.setdefault(key, _Stage.LOOKING)
            self._looks[key] = None

    def leave(self, waiter: Waiter) -> None:
        """Serve one less; the last that leaves a key ends its subscription."""
        for key in waiter.missing:
            waiters = self._waiters.get(key, set())
            waiters.discard(waiter)
            if not waiters:
                self._forget(key)

    def fail(self, error: Callable[[], Exception], *, hurried_only: bool = False) -> None:
        """End every wait with an error of its own, or only those that are in a hurry."""
        for waiter in set().union(*self._waiters.values()):
            if waiter.is_hurried or not hurried_only:
                waiter.fail(error())
                self.leave(waiter)

    # -- what Redis said -----------------------------------------------------------------------

    def looked(self, key: bytes, record: bytes | None) -> None:
        """What the key holds; None for nothing."""
        for waiter in tuple(self._waiters.get(key, ())):
            waiter.unseen.discard(key)
            if record is not None:
                waiter.found[key] = record
                waiter.missing.discard(key)
            waiter.weigh()
        if record is not None:
            self._forget(key)
        elif self._stages.get(key) is _Stage.LOOKING and not all(w.is_hurried for w in self._waiters[key]):
            self._stages[key] = _Stage.SUBSCRIBING
            self._unconfirmed[key] += 1
            self._calls.append(("SUBSCRIBE", key))

    def unreadable(self, key: bytes, error: Callable[[], Exception]) -> None:
        """The key cannot be looked at: end the waits for it with an error of their own."""
        for waiter in tuple(self._waiters.get(key, ())):
            waiter.fail(error())
            self.leave(waiter)

    def confirmed(self, channel: bytes) -> None:
        """From now on what happens on the channel is announced."""
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] > 0:
            return
        del self._unconfirmed[channel]
        if self._stages.get(channel) is _Stage.SUBSCRIBING:
            self._stages[channel] = _Stage.SUBSCRIBED
            self._looks[channel] = None

    def announced(self, channel: bytes) -> None:
        """Something happened."""
        if channel in self._waiters:
            self._looks[channel] = None

    def disconnected(self) -> None:
        """Nothing we know is sure any more."""
        self._calls.clear()
        self._unconfirmed.clear()
        self._stages = dict.fromkeys(self._waiters, _Stage.LOOKING)
        self._looks = dict.fromkeys(self._waiters)
        for key, waiters in self._waiters.items():
            for waiter in waiters:
                waiter.unseen.add(key)

    # -- what to ask it ------------------------------------------------------------------------

    def looks(self) -> list[bytes]:
        """The keys to look at now."""
        looks = [key for key in self._looks if key in self._waiters]
        self._looks.clear()
        return looks

    def calls(self) -> list[tuple[Verb, list[bytes]]]:
        """The channels to subscribe to and to leave now, in this order."""
        calls = []
        for verb, group in itertools.groupby(self._calls, key=lambda call: call[0]):
            channels = [channel for _, channel in group]
            calls += [(verb, channels[at : at + CHANNELS_A_CALL]) for at in range(0, len(channels), CHANNELS_A_CALL)]
        self._calls.clear()
        return calls

    def _forget(self, key: bytes) -> None:
        self._waiters.pop(key, None)
        if self._stages.pop(key, _Stage.LOOKING) is not _Stage.LOOKING:
            self._calls.append(("UNSUBSCRIBE", key))
