"""Who has how many workers of a pool: a target is split over supervisors with as few moves as possible.

Nothing is moved for evenness alone: moving a worker costs a start and a drain. A pool that grows takes from
whoever has most room left, one at a time; a pool that shrinks gives up where most of its workers are.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Post(msgspec.Struct, frozen=True):
    """What one supervisor has to offer to one pool.

    Attributes:
        workers: that it has of the pool.
        room: that it could still start, of any pool; negative when it has more than it should.
        fixed: whether it keeps its number whatever it is told.
    """

    workers: int
    room: int
    fixed: bool = False


def split(target: int, posts: Mapping[str, Post]) -> dict[str, int]:
    """How many workers of a pool each supervisor should have.

    Parameters:
        target: workers in all.
        posts: what each supervisor has and could have.

    Returns:
        Workers by supervisor. Their sum is the target as far as room and fixed numbers allow.

    Example:
        >>> split(5, {"a": Post(2, 4), "b": Post(1, 1)})
        {'a': 4, 'b': 1}
        >>> split(2, {"a": Post(4, 0), "b": Post(1, 9)})
        {'a': 1, 'b': 1}
    """
    shares = {name: post.workers for name, post in posts.items()}
    room = {name: post.room for name, post in posts.items() if not post.fixed}
    for name, left in room.items():  # more than it should have: it gives up what it has too much
        surplus = min(max(0, -left), shares[name])
        shares[name] -= surplus
        room[name] = left + surplus
    missing = target - sum(shares.values())
    while missing > 0 and any(left > 0 for left in room.values()):
        name = min(room, key=lambda one: (-room[one], shares[one], one))
        shares[name] += 1
        room[name] -= 1
        missing -= 1
    while missing < 0 and any(shares[name] for name in room):
        name = min(room, key=lambda one: (-shares[one], room[one], one))
        shares[name] -= 1
        room[name] += 1
        missing += 1
    return shares
