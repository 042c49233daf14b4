"""What Redis's errors mean here: each becomes one of ours, with what to do about it.

Foreign exceptions are wrapped once, in this file. `again` says which of them pass by themselves, so
that a call is worth repeating.
"""

from __future__ import annotations

import enum

from redis import exceptions as driver

from heijunka import errors
from heijunka.broker.scripts import Script


class Unsent(Exception):
    """No connection could be made, so nothing was sent."""


def unsent(error: Exception) -> Unsent:
    """`error` met while connecting, as an answer to the call that was never sent."""
    answer = Unsent(str(error))
    answer.__cause__ = error
    return answer


class Again(enum.Enum):
    """What to do with a call that Redis answered with an error."""

    NEVER = "the same call would fail again"
    LOAD = "the script cache was emptied; load the script and repeat, nothing ran"
    WAIT = "Redis is not ready; nothing ran, repeat after a pause"
    RECONNECT = "the connection points to the wrong server; nothing ran, repeat on a new one"
    UNKNOWN = "the connection broke; it may have run"


_LOOK = "the call may or may not have been done; look, or repeat it"
_WAIT = ("LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN")
_HINTS: dict[str, tuple[type[errors.BrokerError], str]] = {
    "OOM": (errors.RedisFull, "raise maxmemory, or let workers drain the queue: they still can"),
    "BUSY": (errors.RedisBusy, "a script of somebody else blocks Redis: SCRIPT KILL ends it"),
    "LOADING": (errors.RedisBusy, "Redis is loading its data; try again when it has finished"),
    "READONLY": (errors.RedisReadOnly, "point the URL at the primary"),
    "MISCONF": (errors.RedisCannotPersist, "free space on Redis's disk"),
    "NOPERM": (errors.RedisDenied, "grant the command and keys to this user, see docs/redis.md"),
    "NOAUTH": (errors.RedisAuthError, "put user and password into the URL: redis://user:password@host"),
    "WRONGPASS": (errors.RedisAuthError, "check user and password in the URL"),
    "WRONGTYPE": (errors.WrongKeyType, "use another namespace, or find who writes to this one"),
}


def again(error: Exception) -> Again:
    """Whether a call that failed with `error` is worth repeating, and how."""
    if isinstance(error, Unsent):
        return Again.NEVER if _refused(error.__cause__) else Again.WAIT
    word = _word(error)
    if word == "NOSCRIPT":
        return Again.LOAD
    if word in _WAIT:
        return Again.WAIT
    if word == "READONLY":
        return Again.RECONNECT
    if isinstance(error, driver.ResponseError | driver.AuthenticationError):
        return Again.NEVER
    return Again.UNKNOWN


def broken(error: Exception) -> bool:
    """Whether the connection broke under a call that was sent. A call without an answer in time is none."""
    return again(error) is Again.UNKNOWN and not isinstance(error, driver.TimeoutError)


def wrapped(error: Exception, url: str, script: Script | None) -> errors.HeijunkaError:
    """Our error for one of the driver's.

    Parameters:
        error: what the driver raised.
        url: where we are connected to, without its password.
        script: the script that was called, if any.
    """
    cause = error.__cause__ if isinstance(error, Unsent) and isinstance(error.__cause__, Exception) else error
    text, word = str(cause), _word(cause)
    if word in _HINTS:
        kind, hint = _HINTS[word]
        return kind(f"{errors.default_message(kind)} ({_first_sentence(text)})", hint=hint)
    if isinstance(cause, driver.AuthenticationError):
        return errors.RedisAuthError(f"Redis at {url} refused the user or password", hint=_HINTS["NOAUTH"][1])
    if isinstance(error, Unsent):
        return errors.RedisUnreachable(
            f"Redis at {url} cannot be reached: {text}",
            hint="is it running, and is the URL right? `heijunka doctor` looks",
            url=url,
        )
    if isinstance(cause, driver.ResponseError):
        return _answered(text, script)
    what = "did not answer in time" if isinstance(cause, driver.TimeoutError) else "broke off before it answered"
    return errors.Unconfirmed(f"Redis at {url} {what}: {text}", hint=_LOOK)


def unconfirmed(error: errors.HeijunkaError) -> errors.Unconfirmed:
    """What a call ends in whose first copy got no reply: how the repetition failed says nothing of that copy."""
    if isinstance(error, errors.Unconfirmed):
        return error
    return errors.Unconfirmed(f"one try got no reply, and the next ended so: {error}", hint=_LOOK)


def _answered(text: str, script: Script | None) -> errors.BrokerError:
    if script is None:
        return errors.BrokerError(f"Redis answered: {text}")
    if "unexpected symbol near '#'" in text:  # servers before 7.0 read our `#!lua` as Lua
        return errors.RedisTooOld(hint="upgrade the server, or set HEIJUNKA_REDIS_URL to another")
    explained = script.explain(text)
    if any(words in text for words in _DENIED_INSIDE):
        return errors.RedisDenied(
            f"{errors.default_message(errors.RedisDenied)} ({explained})", hint=_HINTS["NOPERM"][1]
        )
    return errors.ScriptError(f"{script.name}: {explained}", script=script.name, place=explained)


def _refused(cause: BaseException | None) -> bool:
    return isinstance(cause, driver.AuthenticationError) or _word(cause) in {"NOAUTH", "WRONGPASS", "NOPERM"}


_DENIED_INSIDE = ("ACL failure in script", "The user executing the script can't")
"""How servers word it when the caller of a script may not run what is in it."""

_CLASSES: tuple[tuple[type[Exception], str], ...] = (
    (driver.NoScriptError, "NOSCRIPT"),
    (driver.BusyLoadingError, "LOADING"),
    (driver.ReadOnlyError, "READONLY"),
    (driver.OutOfMemoryError, "OOM"),
    (driver.NoPermissionError, "NOPERM"),
)


def _word(error: BaseException | None) -> str:
    """The word Redis's error began with; for some the driver strips it and has a class instead."""
    for kind, word in _CLASSES:
        if isinstance(error, kind):
            return word
    first = str(error).split(" ", 1)[0]
    return first if first.isupper() else ""


def _first_sentence(text: str) -> str:
    return text.split(" script: ", 1)[0].split(". ", 1)[0].rstrip(".")
