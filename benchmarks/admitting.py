"""What it costs to admit work that is not queued."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure, Scale, alternated
from benchmarks.load import app
from benchmarks.site import Site, rate

DOMAIN = "gate"


def leases(site: Site, scale: Scale) -> Iterator[Figure]:
    """One block at a time in a bounded domain, in turn with two PINGs of redis-py."""
    site.clear()
    app.control.limits.set(DOMAIN, hard_limit=1_200)
    calls = scale.jobs(500)

    def block() -> None:
        with app.admit(DOMAIN):
            pass

    def pings() -> None:
        site.driver.ping()
        site.driver.ping()

    block()
    ours, theirs, ratio = alternated(lambda: rate(block, calls), lambda: rate(pings, calls), 20 * scale.rounds)
    yield Figure(
        "admit and release, to two PINGs of redis-py",
        ratio,
        "",
        target=0.8,
        note=f"{ours:,.0f} blocks and {theirs:,.0f} pairs/s, in turn",
    )
