"""What a dead worker said last: kept beside stderr, bounded, and there after any death."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from heijunka.worker.lastwords import LINES, ROOM, LastWords, last_words

BEGIN = """
import logging, os, signal, sys
from heijunka.worker import lastwords
lastwords.overhear()
logging.basicConfig(format="%(message)s")
print("before", file=sys.stderr)
lastwords.remember(sys.argv[1])
"""


def died(path: Path, code: str) -> tuple[LastWords, str]:
    """Last words of a process that ran this, and all that reached its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(path)], stderr=subprocess.PIPE, text=True, check=False
    )
    return last_words(path), done.stderr


@pytest.mark.parametrize("death", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_lines_reach_stderr_and_are_kept_whatever_ends_the_process(tmp_path: Path, death: str) -> None:
    words, stderr = died(tmp_path / "words", f"logging.warning('card %d', 7); print('ä', file=sys.stderr); {death}")

    assert LastWords("card 7\nä") == words
    assert "before\ncard 7\nä\n" == stderr


def test_a_crash_says_where_it_was_and_is_not_told_twice(tmp_path: Path) -> None:
    words, stderr = died(tmp_path / "words", "def sting(): os.kill(os.getpid(), signal.SIGSEGV)\nsting()")

    assert "" == words.said
    assert words.dump.startswith("Fatal Python error: Segmentation fault")
    assert " in sting" in words.dump
    assert words.dump == words.text
    assert "before\n" == stderr


@pytest.mark.parametrize("lines", [1, LINES - 1, LINES, LINES + 1, 100, 10_000])
def test_no_more_than_the_last_lines_are_kept(tmp_path: Path, lines: int) -> None:
    words, stderr = died(tmp_path / "words", f"for n in range({lines}): print('line', n, file=sys.stderr)")

    assert [f"line {n}" for n in range(max(0, lines - LINES), lines)] == words.said.split("\n")
    assert lines + 1 == stderr.count("\n")


@pytest.mark.parametrize("length", [ROOM - 1, ROOM, ROOM + 1, 3 * ROOM + 5])
def test_no_more_than_there_is_room_for_is_kept(tmp_path: Path, length: int) -> None:
    words, stderr = died(
        tmp_path / "words", f"sys.stderr.write('a' * 100 + '\\n'); sys.stderr.write('b' * {length} + 'c\\n')"
    )

    assert ("a" * 100 + "\n" + "b" * length + "c")[-ROOM + 1 :] == words.said
    assert f"before\n{'a' * 100}\n{'b' * length}c\n" == stderr


def test_who_said_nothing_and_who_is_not_known_has_no_last_words(tmp_path: Path) -> None:
    words, _ = died(tmp_path / "words", "")

    assert LastWords() == words == last_words(tmp_path / "nobody")
    assert "" == words.text


def test_what_the_application_put_in_place_of_stderr_stays(tmp_path: Path) -> None:
    code = BEGIN.replace("lastwords.remember", "import io; sys.stderr = io.StringIO(); lastwords.remember")

    subprocess.run([sys.executable, "-c", code + "print('x', file=sys.stderr)", str(tmp_path / "words")], check=True)

    assert LastWords() == last_words(tmp_path / "words")
