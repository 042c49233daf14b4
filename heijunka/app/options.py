"""What a task and one call of it may ask for, checked where it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypedDict, Unpack, get_args

import msgspec

from heijunka import wire
from heijunka.app.admission import ON_OVERLOAD, OnOverload
from heijunka.clock import Duration, Milliseconds, duration_ms, instant_ms, spell_ms
from heijunka.errors import InvalidName, InvalidOption
from heijunka.keys import PRIORITIES, Priority, valid_name

TASK_NAME = re.compile(r"[A-Za-z_][\w.]{0,199}", re.ASCII)

DEFAULT_DOMAIN: Final = "default"

OnExpire = Literal["dead", "drop"]
"""What becomes of a job whose deadline passed: a dead letter, or nothing but a count."""


class Unset:
    """Marks an option nobody gave."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class TaskOptions(msgspec.Struct, frozen=True):
    """What a task asks for; None takes the application's setting.

    Attributes:
        domain: what its work is about.
        priority: of its jobs within the domain.
        timeout_ms: how long an attempt may run; 0 for as long as it likes.
        soft_timeout_ms: after which `SoftTimeout` is raised in it; 0 for never.
        attempts: how often a job is tried at most.
        retry_base_ms: upper bound of the pause before the second attempt; it doubles with each.
        retry_cap_ms: longest such bound.
        keep_result_ms: how long results are kept, 0 for not at all.
        no_retry_on: exceptions that are final.
        on_overload: what to do when the domain has no room.
        wait_ms: how long to wait for room at most.
        on_expire: what becomes of a job whose deadline passed.
        pace: whether its calls pause, for longer the fuller the domain is.
    """

    domain: str = DEFAULT_DOMAIN
    priority: Priority = "normal"
    timeout_ms: int | None = None
    soft_timeout_ms: int | None = None
    attempts: int | None = None
    retry_base_ms: int | None = None
    retry_cap_ms: int | None = None
    keep_result_ms: int | None = None
    no_retry_on: tuple[type[BaseException], ...] = ()
    on_overload: OnOverload | None = None
    wait_ms: int | None = None
    on_expire: OnExpire = "dead"
    pace: bool = False


class TaskKeywords(TypedDict, total=False):
    """Keywords of `@task`.

    Keys:
        name: what the job is called on the wire; the function's name when left out.
        domain: what the work is about, `[a-z0-9_.-]{1,64}`.
        priority: "high", "normal" or "low".
        timeout: how long an attempt may run (seconds, or text such as "5m"); None for as long as it likes.
        soft_timeout: after which `SoftTimeout` is raised in it, shorter than the timeout; None for never.
        attempts: how often a job is tried at most, 1 to 1,000.
        retry_base: upper bound of the pause before the second attempt; doubles with each.
        retry_cap: longest such bound.
        keep_result: how long results are kept; None for not at all.
        no_retry_on: exceptions that are final.
        on_overload: when the domain has no room: "raise" `Overloaded`, "wait", or "drop" the job.
        wait: how long to wait for room at most, when it waits.
        on_expire: what becomes of a job whose deadline passed: "dead" for a dead letter, "drop" for a count alone.
        pace: pause before a call, for longer the fuller the domain is.
    """

    name: str | None
    domain: str
    priority: Priority
    timeout: Duration | None
    soft_timeout: Duration | None
    attempts: int
    retry_base: Duration
    retry_cap: Duration
    keep_result: Duration | None
    no_retry_on: tuple[type[BaseException], ...] | type[BaseException]
    on_overload: OnOverload
    wait: Duration
    on_expire: OnExpire
    pace: bool


class CallKeywords(TypedDict, total=False):
    """Keywords of `task.options(...)`: what one call asks for that differs from its task.

    Keys:
        priority: "high", "normal" or "low".
        delay: how much later it may start (seconds, or text such as "5m").
        at: the moment before which it must not start, an aware datetime.
        deadline: after that long, or after that moment, it must not start any more. A call that a running job makes
            has the deadline of that job unless it has one of its own, or None for none.
        timeout: how long an attempt may run; None for as long as it likes.
        soft_timeout: after which `SoftTimeout` is raised in it, shorter than the timeout; None for never.
        attempts: how often it is tried at most.
        keep_result: how long its result is kept; None for not at all.
        on_overload: when the domain has no room: "raise" `Overloaded`, "wait", or "drop" the job.
        wait: how long to wait for room at most, when it waits.
        on_expire: what becomes of it when its deadline passed: "dead" or "drop".
        pace: pause before the call, for longer the fuller the domain is.
    """

    priority: Priority
    delay: Duration
    at: datetime
    deadline: Duration | datetime | None
    timeout: Duration | None
    soft_timeout: Duration | None
    attempts: int
    keep_result: Duration | None
    on_overload: OnOverload
    wait: Duration
    on_expire: OnExpire
    pace: bool


class Call(msgspec.Struct, frozen=True):
    """What one call asks for.

    Attributes:
        priority: overrides the task's.
        delay_ms: how much later it may start, by Redis's clock.
        at_ms: the moment before which it must not start.
        deadline_in_ms: after that long it must not start any more.
        deadline_at_ms: after that moment it must not start any more.
        inherits: whether it takes the deadline of the job that makes it.
        options: what travels with the job, or None when nothing differs from the task.
        on_overload: what to do when the domain has no room.
        wait_ms: how long to wait for room at most.
        pace: whether it pauses, for longer the fuller the domain is; None as the task says.
    """

    priority: Priority | None = None
    delay_ms: int = 0
    at_ms: int | None = None
    deadline_in_ms: int | None = None
    deadline_at_ms: int | None = None
    inherits: bool = True
    options: wire.Options | None = None
    on_overload: OnOverload | None = None
    wait_ms: int | None = None
    pace: bool | None = None


AS_TASK_SAYS: Final = Call()


def task_options(**given: Unpack[TaskKeywords]) -> TaskOptions:
    """Check the keywords of `@task` (its name apart).

    Raises:
        InvalidName: the domain has other characters than `a-z 0-9 _ . -`.
        InvalidOption: a value is out of its range.
    """
    known_options(given, TaskKeywords, "@task")
    asked = TaskOptions(
        domain=valid_name(given.get("domain", DEFAULT_DOMAIN), "domain"),
        priority=_priority(given.get("priority", "normal")),
        timeout_ms=_limit_ms(given.get("timeout", UNSET), "timeout"),
        soft_timeout_ms=_limit_ms(given.get("soft_timeout", UNSET), "soft_timeout"),
        attempts=_attempts(given.get("attempts")),
        retry_base_ms=_positive_ms(given.get("retry_base"), "retry_base"),
        retry_cap_ms=_positive_ms(given.get("retry_cap"), "retry_cap"),
        keep_result_ms=_kept_ms(given.get("keep_result", UNSET)),
        no_retry_on=_exceptions(given.get("no_retry_on", ())),
        on_overload=_on_overload(given.get("on_overload")),
        wait_ms=_wait_ms(given.get("wait")),
        on_expire=_on_expire(given.get("on_expire", "dead")),
        pace=_flag(given.get("pace", False), "pace"),
    )
    require_order(asked.soft_timeout_ms, asked.timeout_ms)
    return asked


def call_options(**given: Unpack[CallKeywords]) -> Call:
    """Check the keywords of `task.options`.

    Raises:
        InvalidOption: there is no such option, a value is out of its range, `delay` and `at` are both given,
            or the deadline is before the delay is over.
    """
    known_options(given, CallKeywords, "task.options()")
    at, deadline, priority = given.get("at"), given.get("deadline"), given.get("priority")
    if at is not None and "delay" in given:
        raise InvalidOption("delay and at exclude each other", option="delay")
    travels = wire.Options(
        timeout_ms=_limit_ms(given.get("timeout", UNSET), "timeout"),
        soft_timeout_ms=_limit_ms(given.get("soft_timeout", UNSET), "soft_timeout"),
        attempts=_attempts(given.get("attempts")),
        keep_result_ms=_kept_ms(given.get("keep_result", UNSET)),
        priority=None if priority is None else _priority(priority),
        on_expire=_on_expire(given["on_expire"]) if "on_expire" in given else None,
    )
    require_order(travels.soft_timeout_ms, travels.timeout_ms)
    delay_ms = duration_ms(given.get("delay", 0), option="delay")
    deadline_in_ms = None if deadline is None or isinstance(deadline, datetime) else _deadline(deadline)
    if deadline_in_ms is not None and deadline_in_ms <= delay_ms:
        raise InvalidOption(
            f"a deadline of {deadline!r} is over before the job may start",
            hint="the deadline counts from now, like the delay: make it longer",
            option="deadline",
        )
    return Call(
        priority=None if priority is None else _priority(priority),
        delay_ms=delay_ms,
        at_ms=None if at is None else instant_ms(at),
        deadline_in_ms=deadline_in_ms,
        deadline_at_ms=instant_ms(deadline, option="deadline") if isinstance(deadline, datetime) else None,
        inherits="deadline" not in given,
        options=None if travels == wire.Options() else travels,
        on_overload=_on_overload(given.get("on_overload")),
        wait_ms=_wait_ms(given.get("wait")),
        pace=_flag(given["pace"], "pace") if "pace" in given else None,
    )


def require_order(soft_ms: int | None, timeout_ms: int | None) -> None:
    """Refuse a soft timeout that would never come, because the timeout ends the attempt before.

    Raises:
        InvalidOption: both are known, and the soft timeout is not shorter.
    """
    if soft_ms and timeout_ms and soft_ms >= timeout_ms:
        raise InvalidOption(
            f"a soft_timeout of {spell_ms(soft_ms)} would never come: the timeout is {spell_ms(timeout_ms)}",
            hint="make the soft_timeout shorter than the timeout, or None",
            option="soft_timeout",
        )


def known_options(given: Mapping[str, object], known: type, where: str) -> None:
    """Refuse an option that does not exist; a caller without a type checker would not notice.

    Raises:
        InvalidOption: with the nearest name.
    """
    for option in given:
        if option not in known.__annotations__:
            from heijunka.config import did_you_mean

            raise InvalidOption(
                f"{where} has no option {option!r}", hint=did_you_mean(option, known.__annotations__), option=option
            )


def task_name(name: str) -> str:
    """`name`, if a task may have it.

    Raises:
        InvalidName: it is not a dotted identifier of up to 200 characters.
    """
    if TASK_NAME.fullmatch(name):
        return name
    raise InvalidName(
        f"task {name!r} is not a valid name",
        hint="a letter or _, then up to 199 letters, digits, _ and dots",
        name=name,
    )


def _priority(value: Any) -> Priority:
    if value in PRIORITIES:
        return value  # type: ignore[no-any-return]  # just checked
    raise InvalidOption(f"priority {value!r} is none of {', '.join(PRIORITIES)}", option="priority")


def _on_overload(value: Any) -> OnOverload | None:
    if value is None or value in ON_OVERLOAD:
        return value  # type: ignore[no-any-return]  # just checked
    raise InvalidOption(f"on_overload {value!r} is none of {', '.join(ON_OVERLOAD)}", option="on_overload")


def _wait_ms(value: Duration | None) -> Milliseconds | None:
    return None if value is None else duration_ms(value, option="wait")


def _on_expire(value: Any) -> OnExpire:
    if value in get_args(OnExpire):
        return value  # type: ignore[no-any-return]  # just checked
    raise InvalidOption(f"on_expire {value!r} is neither 'dead' nor 'drop'", option="on_expire")


def _flag(value: Any, option: str) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidOption(f"{option} {value!r} is neither True nor False", option=option)


def _positive_ms(value: Duration | None, option: str) -> Milliseconds | None:
    if value is None:
        return None
    ms = duration_ms(value, option=option)
    if ms == 0:
        raise InvalidOption(f"{option} must be more than 0", option=option)
    return ms


def _limit_ms(value: Duration | Unset | None, option: str) -> int | None:
    """Milliseconds; 0 for no limit, None when nothing was said."""
    if isinstance(value, Unset):
        return None
    return _positive_ms(value, option) or 0


def _deadline(value: Duration) -> Milliseconds:
    return duration_ms(value, option="deadline")


def _kept_ms(value: Duration | Unset | None) -> int | None:
    if isinstance(value, Unset):
        return None
    return 0 if value is None else duration_ms(value, option="keep_result")


def _exceptions(value: Any) -> tuple[type[BaseException], ...]:
    kinds = tuple(value) if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise InvalidOption(
                f"no_retry_on names {kind!r}, which is no exception class",
                hint="write no_retry_on=ValueError or no_retry_on=(ValueError, KeyError)",
                option="no_retry_on",
            )
    return kinds


def _attempts(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000:
        raise InvalidOption(f"attempts {value!r} is not a whole number from 1 to 1,000", option="attempts")
    return value
