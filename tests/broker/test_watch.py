"""Whatever the order of events, nobody who waits for a key that has appeared is left waiting."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from heijunka.broker.watch import Waiter, Watch

KEYS = [b"a", b"b", b"c"]


class Interleavings(RuleBasedStateMachine):
    """A watch, and a Redis that is as slow as it can be: every command and every reply takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()
        self.waiting: list[tuple[Waiter, set[bytes]]] = []
        self.store: dict[bytes, bytes] = {}
        self.subscribed: set[bytes] = set()
        self.looks: deque[bytes] = deque()
        self.looked: deque[tuple[bytes, bytes | None]] = deque()
        self.calls: deque[tuple[str, bytes]] = deque()
        self.said: deque[tuple[str, bytes]] = deque()

    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), hurried=st.booleans())
    def somebody_comes(self, keys: set[bytes], hurried: bool) -> None:
        waiter = Waiter(keys)
        waiter.is_hurried = hurried
        self.watch.take(waiter)
        self.waiting.append((waiter, keys))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def somebody_leaves(self, data: st.DataObject) -> None:
        waiter, _ = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.watch.leave(waiter)

    @rule()
    def the_watch_speaks(self) -> None:
        self.looks += self.watch.looks()
        self.calls += [(verb, channel) for verb, channels in self.watch.calls() for channel in channels]

    @precondition(lambda self: self.looks)
    @rule()
    def redis_runs_a_look(self) -> None:
        key = self.looks.popleft()
        self.looked.append((key, self.store.get(key)))

    @precondition(lambda self: self.calls)
    @rule()
    def redis_runs_a_call(self) -> None:
        verb, channel = self.calls.popleft()
        if verb == "SUBSCRIBE":
            self.subscribed.add(channel)
            self.said.append(("subscribe", channel))
        else:
            self.subscribed.discard(channel)

    @precondition(lambda self: self.looked)
    @rule()
    def a_look_is_answered(self) -> None:
        self.watch.looked(*self.looked.popleft())

    @precondition(lambda self: self.said)
    @rule()
    def a_message_comes(self) -> None:
        kind, channel = self.said.popleft()
        if kind == "subscribe":
            self.watch.confirmed(channel)
        else:
            self.watch.announced(channel)

    @rule(key=st.sampled_from(KEYS))
    def a_job_ends(self, key: bytes) -> None:
        self.store[key] = b"record of " + key
        if key in self.subscribed:
            self.said.append(("message", key))

    @rule()
    def the_connection_breaks(self) -> None:
        for queue in (self.looks, self.looked, self.calls, self.said):
            queue.clear()
        self.subscribed.clear()
        self.watch.disconnected()

    @rule()
    def everything_arrives(self) -> None:
        self._exchange_until_nothing_is_left()

        hurried = [waiter for waiter, _ in self.waiting if waiter.is_hurried]
        patient = [(waiter, keys) for waiter, keys in self.waiting if not waiter.is_hurried]
        assert [True] * len(hurried) == [waiter.done() for waiter in hurried]
        for waiter, keys in patient:
            assert {key for key in keys if key not in self.store} == waiter.missing
            assert {key: b"record of " + key for key in keys - waiter.missing} == waiter.found
            assert set() == waiter.unseen
            assert (not waiter.missing) == waiter.done()

        for waiter in hurried:
            self.watch.leave(waiter)
        self.waiting = patient
        self._exchange_until_nothing_is_left()
        still_missing = {key for waiter, _ in patient for key in waiter.missing}
        assert still_missing == self.subscribed
        assert len(still_missing) == len(self.watch)

    def _exchange_until_nothing_is_left(self) -> None:
        self.the_watch_speaks()
        while self.looks or self.looked or self.calls or self.said:
            for happens, queue in (
                (self.redis_runs_a_look, self.looks),
                (self.a_look_is_answered, self.looked),
                (self.redis_runs_a_call, self.calls),
                (self.a_message_comes, self.said),
            ):
                while queue:
                    happens()
            self.the_watch_speaks()

    def teardown(self) -> None:
        self.everything_arrives()
        while self.waiting:
            self.watch.leave(self.waiting.pop()[0])
        self.everything_arrives()
        assert set() == self.subscribed


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_a_wait_is_not_lost_when_a_channel_is_left_and_subscribed_to_again_before_the_first_confirmation() -> None:
    """The first subscription's confirmation says nothing about the second."""
    # given a key that is waited for, left, and waited for again, all before Redis has said a word
    watch, first, second = Watch(), Waiter([b"a"]), Waiter([b"a"])
    watch.take(first)
    assert [b"a"] == watch.looks()
    watch.looked(b"a", None)
    watch.leave(first)
    watch.take(second)
    assert [b"a"] == watch.looks()
    watch.looked(b"a", None)
    assert [("SUBSCRIBE", [b"a"]), ("UNSUBSCRIBE", [b"a"]), ("SUBSCRIBE", [b"a"])] == watch.calls()

    # when only the first subscription is confirmed
    watch.confirmed(b"a")

    # then it is not looked at yet, but when the second is
    assert [] == watch.looks()
    watch.confirmed(b"a")
    assert [b"a"] == watch.looks()


def test_many_waiters_of_one_key_share_a_look_and_a_subscription() -> None:
    # given
    watch = Watch()
    waiters = [Waiter([b"a"]) for _ in range(100)]

    # when
    for waiter in waiters:
        watch.take(waiter)

    # then
    assert [b"a"] == watch.looks()
    watch.looked(b"a", None)
    assert [("SUBSCRIBE", [b"a"])] == watch.calls()

    # when all but one leave
    for waiter in waiters[1:]:
        watch.leave(waiter)

    # then the subscription stays for the last, and ends with it
    assert [] == watch.calls()
    watch.leave(waiters[0])
    assert [("UNSUBSCRIBE", [b"a"])] == watch.calls()


def test_a_key_that_cannot_be_read_fails_those_who_wait_for_it_and_nobody_else() -> None:
    # given
    watch, wants_both, wants_other = Watch(), Waiter([b"a", b"b"]), Waiter([b"b"])
    watch.take(wants_both)
    watch.take(wants_other)

    # when
    watch.unreadable(b"a", lambda: ValueError("not to be read"))

    # then
    assert "not to be read" == str(wants_both.exception(timeout=0))
    assert not wants_other.done()
    assert 1 == len(watch)


def test_what_was_looked_at_counts_as_unseen_again_when_the_connection_breaks() -> None:
    # given a wait whose key was not there
    watch, waiter = Watch(), Waiter([b"a"])
    watch.take(waiter)
    watch.looked(b"a", None)
    assert set() == waiter.unseen

    # when
    watch.disconnected()

    # then
    assert {b"a"} == waiter.unseen
    assert [b"a"] == watch.looks()
