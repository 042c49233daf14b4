"""What the documentation names is there: pages, anchors, files, make's targets, modules, commands and their options."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from heijunka_cli.main import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])

FENCE = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}.*)?\n)+")
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)

IN_THE_TREE = re.compile(r"(?<![\w/.<{-])((?:heijunka|tests|lua|docs|benchmarks|cli|[.]ci)/[\w./-]*[\w/])(?![\w<*{])")
BELOW_A_PACKAGE = re.compile(r"(?<![\w/.-])(\w+/\w+\.(?:py|lua))\b")
A_TEST = re.compile(r"(?<![\w/])(test_\w+\.py)\b")
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
MODULE = re.compile(r"\bpython -m ([\w.]+)|(?<![\w./-])(heijunka(?:_cli)?(?:\.\w+)+)(?![\w(/])")
CALL = re.compile(r"(?<!from )\bheijunka +([^\n#&;>]+)")
OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")

FILES_OF_USERS = {"heijunka.toml"}
"""What looks like a module and is none."""


def code(text: str) -> Iterator[str]:
    """Blocks and spans of code."""
    yield from (block for _, block in FENCE.findall(text))
    prose = FENCE.sub("", text)
    yield from INDENTED.findall(prose)
    yield from SPAN.findall(prose)


# -- what is looked for -----------------------------------------------------------------------------


def lost_links(page: Path, text: str) -> list[str]:
    lost = []
    for link in LINK.findall(FENCE.sub("", text)):
        target, _, anchor = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        if "://" not in link and (not there.exists() or (anchor and anchor not in anchors(there))):
            lost.append(link)
    return lost


def anchors(page: Path) -> set[str]:
    """Where links into a page may lead: its headings, as they are spelled in addresses."""
    found: list[str] = []
    for heading in HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return set(found)


def lost_files(text: str) -> list[str]:
    """Paths from the root, paths below one of the two packages, and names of tests."""
    packages = (ROOT, ROOT / "heijunka", ROOT / "cli" / "heijunka_cli")
    lost = [path for path in IN_THE_TREE.findall(text) if not (ROOT / path).exists()]
    lost += [path for path in BELOW_A_PACKAGE.findall(text) if not any((home / path).exists() for home in packages)]
    lost += [test for test in A_TEST.findall(text) if not any((ROOT / "tests").rglob(test))]
    return sorted(set(lost))


def lost_targets(text: str) -> list[str]:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return sorted({target for part in code(text) for target in TARGET.findall(part)} - targets)


def lost_modules(text: str) -> list[str]:
    named = {one or other for part in code(text) for one, other in MODULE.findall(part)} - FILES_OF_USERS
    return sorted(name for name in named if not is_there(name))


def is_there(dotted: str) -> bool:
    """Whether there is such a module, or such a name in one."""
    try:
        pkgutil.resolve_name(dotted)
    except (ImportError, AttributeError):
        return False
    return True


def lost_commands(text: str) -> list[str]:
    return [stranger for part in code(text) for call in CALL.findall(part) for stranger in strangers(call)]


def strangers(call: str) -> list[str]:
    """Commands and options in a command line that do not exist; `start|stop` names two commands."""
    context = click.Context(main)
    commands: list[click.Command] = [main]
    options = {"-h", "--help"}
    words = call.partition(" -- ")[0]
    for word in words.split():
        group = commands[0]
        if isinstance(group, click.Group) and re.fullmatch(r"[a-z][a-z|-]*", word):
            found = {name: group.get_command(context, name) for name in word.split("|")}
            commands = [command for command in found.values() if command is not None]
            if len(commands) < len(found):
                return [name for name, command in found.items() if command is None]
        options |= {option for each in commands for one in each.params for option in (*one.opts, *one.secondary_opts)}
    return [option for option in OPTION.findall(words) if option not in options]


# -- and found --------------------------------------------------------------------------------------


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_links_lead_somewhere(page: Path, text: str) -> None:
    assert [] == lost_links(page, text)


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = {(ROOT / link).resolve() for link in LINK.findall(README.read_text(encoding="utf-8"))}

    assert set() == set(PAGES) - linked - {README}


@pytest.mark.parametrize("lost", [lost_files, lost_targets, lost_modules, lost_commands])
def test_what_is_named_exists(text: str, lost: Callable[[str], list[str]]) -> None:
    assert [] == lost(text)


# -- and would be missed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "is_lost"),
    [
        ("docs/cli.md", False),
        ("docs/cli.md#exit-codes", False),
        ("#first-job", False),
        ("https://example.org/nowhere", False),
        ("docs/nowhere.md", True),
        ("docs/cli.md#nowhere", True),
        ("#nowhere", True),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str, is_lost: bool) -> None:
    assert [link] * is_lost == lost_links(README, f"see [there]({link})")


@pytest.mark.parametrize(
    ("lost", "words", "expected"),
    [
        (lost_files, "`heijunka/keys.py`, lua/gone.lua and `tests/lua/scripts/test_<name>.py`", ["lua/gone.lua"]),
        (lost_files, "app/job.py, worker/gone.py; test_readme.py, test_gone.py", ["test_gone.py", "worker/gone.py"]),
        (lost_targets, "make a cake, `make test`, `make cake`", ["cake"]),
        (lost_modules, "`python -m benchmarks`, `heijunka.app.Job.gone`, `heijunka.toml`", ["heijunka.app.Job.gone"]),
        (lost_modules, "`heijunka.gone`, `python -m gone`, `heijunka_cli.main`", ["gone", "heijunka.gone"]),
        (lost_commands, "\n```\nheijunka worker shop:app -d payment\nheijunka work\n```\n", ["work"]),
        (lost_commands, "`heijunka dlq list|gone APP`", ["gone"]),
        (lost_commands, "\n\n    heijunka --debug enqueue APP x --wait --gone  # why\n\n", ["--gone"]),
        (lost_commands, "`heijunka enqueue APP x -- --its-own`, `from heijunka import task`", []),
    ],
)
def test_what_is_lost_is_found(lost: Callable[[str], list[str]], words: str, expected: list[str]) -> None:
    assert expected == lost(words)
