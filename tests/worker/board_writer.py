"""A process that writes one board as fast as it can, until it is killed.

Every attempt's parts are made from its number, so a mixture of two shows.
"""

from __future__ import annotations

import sys

from heijunka.worker.board import Board


def main(path: str) -> None:
    board = Board.open(path)
    number = 0
    while True:
        number += 1
        board.begin(0, number % 7 + 1, f"{number}-{number}".encode(), number.to_bytes(16), number, number)
        board.end(0, 1)


if __name__ == "__main__":
    main(sys.argv[1])
