"""Holds leases of the shop, for tests that watch it from outside.

`python -m tests.app.holder hold TTL` takes one lease and keeps it until it is killed. `python -m tests.app.holder
crowd BLOCKS` enters so many blocks and counts, in Redis and by itself, how many are inside at a time.
"""

from __future__ import annotations

import os
import sys
import time

from heijunka.errors import Overloaded
from tests.app.shop import app
from tests.fixtures.server import driver

INSIDE = "inside"


def hold(ttl: str) -> None:
    """Take a lease, say so, and never give it back."""
    say(app.request_admission("payment", ttl=ttl).token)
    while True:
        time.sleep(60)


def crowd(blocks: int) -> None:
    """Enter blocks; the most that were inside at a time, how many got in, and how many did not."""
    most = entered = refused = 0
    with driver(os.environ["HEIJUNKA_REDIS_URL"]) as witness:
        counter = f"{{{app.namespace}}}:{INSIDE}"
        while entered < blocks:
            try:
                with app.admit("payment"):
                    most = max(most, int(witness.incr(counter)))
                    entered += 1
                    witness.decr(counter)
            except Overloaded:
                refused += 1
    say(most, entered, refused)


def say(*words: object) -> None:
    """Tell the test."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(sys.argv[2])
    crowd(int(sys.argv[2]))
