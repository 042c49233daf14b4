"""How evenly pools are used, and what is moved between them when all of them together may have only so many workers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from heijunka.errors import InvalidOption


class BalanceRules(msgspec.Struct, frozen=True):
    """What pools that share a number of workers are held to.

    Attributes:
        total: workers of all pools together; None for any number.
        balanced: the coefficient from which on nothing is moved, from 0 to 1.
        cooldown_s: how long nothing is moved after a move, in seconds.

    Raises:
        InvalidOption: a value is out of its range.
    """

    total: int | None = None
    balanced: float = 0.8
    cooldown_s: float = 30.0

    def __post_init__(self) -> None:
        if self.total is not None and self.total < 1:
            raise InvalidOption(f"total_workers {self.total} is below 1", option="total_workers")
        if not 0 < self.balanced <= 1:
            raise InvalidOption(f"balanced {self.balanced!r} is not above 0 and up to 1", option="balanced")
        if not 0 <= self.cooldown_s < math.inf:
            raise InvalidOption(f"cooldown_s {self.cooldown_s!r} is not 0 or more", option="cooldown_s")


class Share(msgspec.Struct, frozen=True):
    """What one pool has, wants and may have.

    Attributes:
        workers: that it should have by the last decision.
        wanted: that it should have by its load alone.
        least, most: that it may have.
        utilisation: busy to all slot-seconds, 0 to 1.
    """

    workers: int
    wanted: int
    least: int
    most: int
    utilisation: float


class Move(msgspec.Struct, frozen=True, rename={"source": "from", "destination": "to"}):
    """What was moved.

    Attributes:
        migrated: workers; 0 when nothing was moved.
        source, destination: the pools, "" when nothing was moved.
        reason: why, in words and numbers.
    """

    migrated: int = 0
    source: str = ""
    destination: str = ""
    reason: str = "already balanced"


def coefficient(utilisations: list[float]) -> float:
    """How evenly pools are used: 1 minus the coefficient of variation of their utilisation, at least 0.

    Parameters:
        utilisations: of each pool, 0 to 1.

    Returns:
        From 0 to 1; 1 when all are alike, or there is nothing to compare.

    Example:
        >>> coefficient([0.7, 0.7]), round(coefficient([0.9, 0.3]), 2), coefficient([1.0, 0.0, 0.0])
        (1.0, 0.5, 0.0)
    """
    if not utilisations:
        return 1.0
    mean = sum(utilisations) / len(utilisations)
    if mean <= 0:
        return 1.0
    deviation = math.sqrt(sum((one - mean) ** 2 for one in utilisations) / len(utilisations))
    return max(0.0, 1.0 - deviation / mean)


def allotted(rules: BalanceRules, pools: Mapping[str, Share]) -> dict[str, int]:
    """How many workers each pool gets of those that there may be.

    Who wants fewer than it has gives them up. What is then free goes one by one to the pools that want more, to the
    busiest first; what they get lowers how busy they will be. Nobody loses what it has and wants.

    Parameters:
        rules: how many there may be.
        pools: by domain.

    Returns:
        Workers by domain: what each wants, when that is not too many. Minima are kept even where they are.

    Example:
        >>> rules = BalanceRules(total=10)
        >>> allotted(rules, {"a": Share(4, 9, 2, 50, 0.95), "b": Share(4, 3, 2, 50, 0.4)})
        {'a': 7, 'b': 3}
    """
    if rules.total is None or sum(one.wanted for one in pools.values()) <= rules.total:
        return {name: one.wanted for name, one in pools.items()}
    gets = {name: max(one.least, min(one.workers, one.wanted)) for name, one in pools.items()}
    free = rules.total - sum(gets.values())
    while free > 0:
        short = [name for name, one in pools.items() if gets[name] < one.wanted]
        if not short:
            break
        gets[max(short, key=lambda name: (_busy(pools[name]) / max(1, gets[name]), name))] += 1
        free -= 1
    return gets


def rebalanced(rules: BalanceRules, pools: Mapping[str, Share]) -> Move:
    """What to move from the least used pool to the most used one.

    As many as make both equally busy, within what they may have; nothing while the coefficient is as it should be.

    Parameters:
        rules: what is balanced.
        pools: by domain; those of fixed size are left out.

    Example:
        >>> rebalanced(BalanceRules(total=12), {"a": Share(6, 9, 2, 50, 0.95), "b": Share(6, 6, 2, 50, 0.3)})
        Move(migrated=3, source='b', destination='a', reason='balance 0.48 is below 0.80: b 30 %, a 95 % busy')
    """
    balance = coefficient([one.utilisation for one in pools.values()])
    if len(pools) < 2 or balance >= rules.balanced:
        return Move()
    by_use = sorted(pools, key=lambda name: (pools[name].utilisation, name))
    source, destination = by_use[0], by_use[-1]
    low, high = pools[source], pools[destination]
    both = low.workers + high.workers
    busy = _busy(low) + _busy(high)
    even = round(both * _busy(high) / busy) if busy > 0 else high.workers
    migrated = min(even, high.most) - high.workers
    migrated = min(migrated, low.workers - low.least)
    if migrated <= 0:
        return Move(reason=f"balance {balance:.2f}, but {source} and {destination} have what they must have, or may")
    used = f"{source} {low.utilisation:.0%}, {destination} {high.utilisation:.0%} busy".replace("%", " %")
    return Move(migrated, source, destination, f"balance {balance:.2f} is below {rules.balanced:.2f}: {used}")


def _busy(pool: Share) -> float:
    """Workers' worth of work."""
    return pool.utilisation * pool.workers
