"""The word for how a pool is. The first row that holds counts.

| word | when |
|---|---|
| down | jobs wait and the pool has no worker |
| degraded | a worker's breaker is not closed, workers are stale, or the oldest job has waited for longer than it may |
| saturated | more than `up_above` busy, or jobs wait while the pool has all workers that it may have |
| idle | less than `down_below` busy, with as few workers as it may have |
| underused | less than `down_below` busy |
| healthy | otherwise |
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from heijunka.policies.scaling import Sample, ScalingRules

Health = Literal["down", "degraded", "saturated", "idle", "underused", "healthy"]
WORDS: Final[tuple[Health, ...]] = get_args(Health)

OLD_S: Final = 60.0
"""How long a job may wait where nobody said how long."""


def health(rules: ScalingRules, sample: Sample, utilisation: float, broken: int = 0, stale: int = 0) -> Health:
    """The word for a pool.

    Parameters:
        rules: what it is held to.
        sample: what was seen last.
        utilisation: busy to all slot-seconds, 0 to 1.
        broken: workers whose breaker is not closed.
        stale: workers that are registered, and that no supervisor knows.

    Example:
        >>> seen = Sample(1.0, 1.0, 0, 0, 0.0, 2.0, backlog=0, oldest_s=0, workers=2)
        >>> health(ScalingRules(), seen, 0.0)
        'idle'
    """
    if sample.backlog and not sample.workers:
        return "down"
    if broken or stale or (sample.backlog and sample.oldest_s > (rules.target_wait_s or OLD_S)):
        return "degraded"
    if utilisation > rules.up_above or (sample.backlog and sample.workers >= rules.most and utilisation > rules.target):
        return "saturated"
    if utilisation < rules.down_below:
        return "idle" if sample.workers <= rules.least else "underused"
    return "healthy"
