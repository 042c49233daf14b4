"""A process that wants in again and again until its stdin ends: `python -m tests.app.hammer`.

Then it says how many of its calls were accepted and refused, and the highest load that it was told of.
"""

from __future__ import annotations

import sys
import threading

from heijunka import Heijunka
from heijunka.errors import Overloaded

app = Heijunka("hammer")


@app.task(domain="payment")
def knock() -> None:
    """Be let in."""


def hammer(over: threading.Event) -> tuple[int, int, int]:
    """Enqueue jobs, high and normal in turn, one and three a call."""
    accepted = refused = most = 0
    calls = [one for task in (knock, knock.options(priority="high")) for one in (task, task)]
    while not over.is_set():
        for number, task in enumerate(calls):
            many = 1 + 2 * (number % 2)
            try:
                jobs = list(task.enqueue_many([()] * many))
            except Overloaded as error:
                refused, most = refused + many, max(most, error.load)
            else:
                accepted, most = accepted + many, max(most, round(jobs[0].admission.pressure * 100))
    return accepted, refused, most


def main() -> None:
    """Hammer until stdin ends."""
    over, said = threading.Event(), []
    with app:
        thread = threading.Thread(target=lambda: said.append(hammer(over)))
        thread.start()
        sys.stdin.read()
        over.set()
        thread.join()
    sys.stdout.write(" ".join(map(str, said[0])) + "\n")


if __name__ == "__main__":
    main()
