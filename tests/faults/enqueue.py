"""A producer in a process of its own, so that its clock can be another: `python -m tests.faults.enqueue URL`.

It is told operations on stdin, one a line, enqueues each for a second later with a deadline of 30 s, and
answers with a moment before the call, by the clock that all processes share, or `refused` or `unknown`.
"""

from __future__ import annotations

import sys
import time

from heijunka import Heijunka
from heijunka.errors import BrokerError, Unconfirmed
from tests.faults.shop import Shop


def main(url: str) -> None:
    shop = Shop(Heijunka("faults", redis_url=url))
    send = shop.work.options(delay="1s", deadline="30s").enqueue
    for line in sys.stdin:
        at_ns = time.monotonic_ns()
        try:
            send(int(line))
        except Unconfirmed:
            print("unknown", flush=True)  # noqa: T201 - its answer
        except BrokerError:
            print("refused", flush=True)  # noqa: T201 - likewise
        else:
            print(at_ns, flush=True)  # noqa: T201 - likewise
    shop.app.close()


if __name__ == "__main__":
    main(sys.argv[1])
