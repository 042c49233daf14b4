"""When a worker stops pulling a domain's jobs because they fail, and how it finds out that they do no more.

Closed, it counts failures. Open, nothing is pulled until its time is over. Half-open, one job is tried: if that
succeeds the breaker closes, if not it opens for twice as long, up to a bound.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal, get_args

import msgspec

from heijunka.errors import InvalidOption

Word = Literal["closed", "open", "half-open"]
WORDS: Final[tuple[Word, ...]] = get_args(Word)

_RATE: Final = re.compile(r"(0?\.[0-9]{1,6}|1(?:\.0+)?)\s+of\s+([0-9]{1,4})")


class BreakerRules(msgspec.Struct, frozen=True):
    """When a breaker opens, and for how long.

    Attributes:
        failures: in a row that open it; 0 when `share` decides.
        share: of the last `of` attempts that failed, from which on it opens; above 0 and up to 1.
        of: how many attempts are looked at; none before there were so many.
        open_s: how long it stays open, in seconds; twice as long each time that the probe fails.
        longest_s: how long it stays open at most, in seconds.
        manual: whether it stays open until somebody resets it.

    Raises:
        InvalidOption: a value is out of its range.
    """

    failures: int = 3
    share: float = 0.0
    of: int = 0
    open_s: float = 5.0
    longest_s: float = 60.0
    manual: bool = False

    def __post_init__(self) -> None:
        if self.failures < 0 or not 0 <= self.share <= 1 or not 0 <= self.of <= 1_000:
            raise InvalidOption("a breaker needs failures from 1, or a share of up to 1,000", option="breaker")
        if (self.failures > 0) == (self.share > 0) or (self.share > 0) != (self.of > 0):
            raise InvalidOption("a breaker has failures, or a share of some attempts", option="breaker")
        if not 0 < self.open_s <= self.longest_s < math.inf:
            raise InvalidOption(
                f"a breaker cannot be open for {self.open_s:g} s and for {self.longest_s:g} s at most",
                hint="breaker_open is above 0, and breaker_open_most not below it",
                option="breaker_open",
            )


class BreakerState(msgspec.Struct, frozen=True):
    """What is known of the attempts.

    Attributes:
        word: "closed", "open" or "half-open".
        failures: in a row.
        recent: whether each of the last attempts failed, the oldest first; when a share decides.
        until_s: until when it is open, in seconds.
        open_s: for how long it was opened last, in seconds.
    """

    word: Word = "closed"
    failures: int = 0
    recent: tuple[bool, ...] = ()
    until_s: float = 0.0
    open_s: float = 0.0


CLOSED: Final = BreakerState()


def read(text: str) -> BreakerRules | None:
    """What opens a breaker, as people write it: failures in a row, a share of attempts, or none.

    Raises:
        InvalidOption: it is neither.

    Example:
        >>> read("5").failures, read("0.5 of 20").share, read("none")
        (5, 0.5, None)
    """
    bare = text.strip().lower()
    if bare == "none":
        return None
    if re.fullmatch(r"[0-9]{1,6}", bare) and int(bare):
        return BreakerRules(int(bare))
    rate = _RATE.fullmatch(bare)
    if rate and float(rate[1]) > 0 and 1 <= int(rate[2]) <= 1_000:
        return BreakerRules(0, float(rate[1]), int(rate[2]))
    raise InvalidOption(
        f"breaker {text!r} is neither a number of failures nor a share of attempts",
        hint='write 3, "0.5 of 20" (of up to 1,000) or none',
        option="breaker",
    )


def succeeded(rules: BreakerRules, state: BreakerState) -> BreakerState:
    """After an attempt that succeeded.

    Example:
        >>> succeeded(BreakerRules(), BreakerState("half-open", 3)).word
        'closed'
    """
    if state.word == "open":
        return state
    if state.word == "half-open":
        return CLOSED
    return BreakerState(recent=_seen(rules, state, failed=False))


def failed(rules: BreakerRules, state: BreakerState, now_s: float) -> BreakerState:
    """After an attempt that failed.

    Parameters:
        rules: when it opens.
        state: before.
        now_s: in seconds.

    Example:
        >>> failed(BreakerRules(), BreakerState(failures=2), 100.0)
        BreakerState(word='open', failures=3, recent=(), until_s=105.0, open_s=5.0)
    """
    if state.word == "open":
        return state
    failures, recent = state.failures + 1, _seen(rules, state, failed=True)
    if state.word == "half-open":
        open_s = min(rules.longest_s, max(rules.open_s, state.open_s * 2))
        return BreakerState("open", failures, (), now_s + open_s, open_s)
    if rules.failures:
        opens = failures >= rules.failures
    else:
        opens = len(recent) >= rules.of and sum(recent) >= rules.share * rules.of
    if opens:
        return BreakerState("open", failures, (), now_s + rules.open_s, rules.open_s)
    return BreakerState("closed", failures, recent)


def rested(rules: BreakerRules, state: BreakerState, now_s: float) -> BreakerState:
    """After some time: an open breaker is half-open when its time is over, unless somebody has to reset it.

    Example:
        >>> rested(BreakerRules(), BreakerState("open", 3, (), 105.0, 5.0), 105.0).word
        'half-open'
    """
    if state.word == "open" and not rules.manual and now_s >= state.until_s:
        return msgspec.structs.replace(state, word="half-open")
    return state


def _seen(rules: BreakerRules, state: BreakerState, *, failed: bool) -> tuple[bool, ...]:
    return (*state.recent, failed)[-rules.of :] if rules.of else ()
