"""A site for each test, the seed of what is random in it, and the row of the matrix that it fills."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.figures import FIGURES, Row
from tests.faults.site import Site
from tests.fixtures.server import Server

SEED: Final = "HEIJUNKA_TEST_SEED"
"""Chooses what is random in the faults; 1 when it is not set."""

PASSED: Final = pytest.StashKey[bool]()

OpenSite = Callable[..., Site]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell fixtures whether their test passed."""
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def seed() -> int:
    """What everything random in the test follows from."""
    return int(os.environ.get(SEED, "1"))


@pytest.fixture
def chance(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """Random numbers of the test's own. The seed is printed, and so told with a failure."""
    print(f"{SEED}={seed}")  # noqa: T201 - pytest shows it when the test fails
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
def row(request: pytest.FixtureRequest, seed: int) -> Iterator[Row]:
    """The row of the matrix that the test fills; its marker says which."""
    marker = request.node.get_closest_marker("row")
    assert marker is not None, "mark the test with its row: @pytest.mark.row(1, 'what is done')"
    row = Row(row=marker.args[0], fault=marker.args[1], seed=seed, **marker.kwargs)
    yield row
    row.passed = request.node.stash.get(PASSED, False)
    if FIGURES in os.environ:
        row.keep(Path(os.environ[FIGURES]))


@pytest.fixture
def open_site(tmp_path: Path, chance: random.Random) -> Iterator[OpenSite]:
    """Opens sites: `open_site(appendonly="yes")`. Options are the server's."""
    if sys.platform != "linux":
        pytest.skip("what a host does is read from /proc")
    opened: list[Site] = []

    def open_one(*, domain: str = "payment", popen: dict[str, Any] | None = None, **options: str) -> Site:
        server = Server(popen=popen, **options)
        try:
            server.start()
            opened.append(Site(server, tmp_path, chance, domain))
        except BaseException:
            server.close()
            raise
        return opened[-1]

    yield open_one
    for site in opened:
        site.close()


@pytest.fixture
def site(open_site: OpenSite) -> Site:
    """A site on a server without persistence."""
    return open_site()
