"""Balance what a producer was told against what the ledger and Redis say, as Jepsen's total-queue checker does.

Each operation of the producer has one of three outcomes: accepted, refused, or unknown when no answer came. An
accepted job must have ended, be a dead letter or still be queued, or it is lost. A refused one must never be
seen; an unknown one may or may not. Heijunka's own counters play no part here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from tests.faults.ledger import ENDED, FAILED, STARTED, Line


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every operation.

    Attributes:
        accepted: operations whose enqueue returned.
        unknown: those that got no answer.
        refused: those that were told no.
        started: attempts by operation.
        failed: attempts that raised on purpose, by operation.
        ended: attempts that came to their end, by operation.
        dead: dead letters by operation.
        queued: jobs in Redis by operation, whether or not somebody holds them.
        renamed: operations that ran under more than one job id.
    """

    accepted: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    started: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    dead: Counter[int] = Counter()
    queued: Counter[int] = Counter()
    renamed: frozenset[int] = frozenset()

    @property
    def seen(self) -> frozenset[int]:
        """Operations of which there is any trace."""
        return frozenset().union(self.started, self.ended, self.dead, self.queued)

    @property
    def lost(self) -> frozenset[int]:
        """Accepted, and neither ended nor dead nor queued."""
        return self.accepted - set(self.ended) - set(self.dead) - set(self.queued)

    @property
    def unexpected(self) -> frozenset[int]:
        """Seen, although refused or never asked for."""
        return self.seen - self.accepted - self.unknown

    @property
    def recovered(self) -> frozenset[int]:
        """Of unknown outcome, and they did happen."""
        return self.unknown & self.seen

    @property
    def repeats(self) -> int:
        """Attempts that nothing but a fault explains: beyond the first, and beyond those a failure asked for."""
        return sum(max(0, times - 1 - self.failed[op]) for op, times in self.started.items())

    @property
    def copies(self) -> frozenset[int]:
        """Operations of which several jobs or letters exist at once, or one although it ended."""
        kept = self.dead + self.queued
        return frozenset(op for op, times in kept.items() if times > 1 or (op in self.ended and op in self.dead))


def account(
    lines: Iterable[Line],
    *,
    accepted: Iterable[int],
    unknown: Iterable[int] = (),
    refused: Iterable[int] = (),
    dead: Iterable[int] = (),
    queued: Iterable[int] = (),
) -> Account:
    """Balance a ledger.

    Parameters:
        lines: of the ledger.
        accepted, unknown, refused: operations of the producers.
        dead, queued: operations found in Redis, one for each letter and job.
    """
    count: dict[str, Counter[int]] = {STARTED: Counter(), ENDED: Counter(), FAILED: Counter()}
    ids: dict[int, set[str]] = defaultdict(set)
    for line in lines:
        count[line.kind][line.op] += 1
        ids[line.op].add(line.job)
    return Account(
        accepted=frozenset(accepted),
        unknown=frozenset(unknown),
        refused=frozenset(refused),
        started=count[STARTED],
        failed=count[FAILED],
        ended=count[ENDED],
        dead=Counter(dead),
        queued=Counter(queued),
        renamed=frozenset(op for op, names in ids.items() if len(names) > 1),
    )
