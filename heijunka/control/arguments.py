"""What a dead letter's task was called with: in the types of its signature, and changed.

Arguments that are not changed are not touched: they stay the bytes that the producer encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from heijunka import wire
from heijunka.control.letter import Letter
from heijunka.control.tasks import KnownTask
from heijunka.errors import InvalidOption, NotEncodable, UndecodableArguments, UndecodableJob, UnknownTask


def job_of(letter: Letter) -> wire.Job:
    """A letter's job.

    Raises:
        UndecodableJob: it cannot be decoded.
    """
    if letter.job is None:
        raise UndecodableJob(f"the job of letter {letter.entry} cannot be decoded")
    return letter.job


def typed(job: wire.Job, tasks: Mapping[str, KnownTask]) -> dict[str, Any]:
    """What a job's task is called with, by name, in the types of its signature.

    Parameters:
        job: the job.
        tasks: the application's tasks by name.

    Raises:
        UnknownTask: the job's is not among them.
        UndecodableArguments: the arguments do not fit the task's signature.
    """
    task = tasks.get(job.task)
    if task is None:
        raise UnknownTask(
            f"no task is called {job.task!r} here",
            hint="without an application arguments are neither typed nor checked",
            task=job.task,
        )
    args, kwargs = task.signature.decode(job.args)
    try:
        return dict(task.signature.signature.bind(*args, **kwargs).arguments)
    except TypeError as error:
        raise UndecodableArguments(f"arguments of {job.task}: {error}", task=job.task) from error


def changed(job: wire.Job, change: Mapping[str, Any], drop: tuple[str, ...]) -> tuple[wire.Job, str]:
    """A job that is called with other arguments, and what was done in words.

    Parameters:
        job: as it is.
        change: arguments by name, values of the types that tasks take.
        drop: names of arguments to leave to their defaults.

    Raises:
        InvalidOption: nothing is changed, or an argument is to be dropped that was not given.
        NotEncodable: a value has a type that cannot be encoded.
        UndecodableJob: the arguments are no map.
    """
    if not change and not drop:
        raise InvalidOption("nothing is changed", option="change")
    try:
        args = msgspec.msgpack.decode(job.args, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        raise UndecodableJob(f"the arguments of {job.task} are no map: {error}") from error
    for name in drop:
        if name not in args:
            raise InvalidOption(f"{job.task} was called without {name!r}", option="drop")
        del args[name]
    for name, value in change.items():
        try:
            args[name] = wire.raw(msgspec.msgpack.encode(value))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise NotEncodable(f"argument {name!r} of {job.task}: {error}", task=job.task) from error
    said = ", ".join([*(f"{name} set" for name in change), *(f"{name} dropped" for name in drop)])
    return msgspec.structs.replace(job, args=wire.raw(msgspec.msgpack.encode(args))), said[:500]
