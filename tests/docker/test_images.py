"""The whole suite on the servers that people run: the current images of Redis and Valkey."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from testcontainers.core.container import DockerContainer

from tests.fixtures.server import driver
from tests.fixtures.suite import suite_on
from tests.fixtures.waiting import wait_until

IMAGES = ("redis:8", "valkey/valkey:8")
PORT = 6379

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3_600)]


def docker_answers() -> None:
    """Skip unless a Docker daemon answers; asked by a process of its own, for the client leaves sockets open."""
    asked = subprocess.run(
        [sys.executable, "-c", "import docker; docker.from_env().ping()"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        pytest.skip(f"no Docker daemon answers: {asked.stderr.strip().splitlines()[-1]}")


@pytest.fixture(params=IMAGES)
def image_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the server of an image listens."""
    docker_answers()
    with DockerContainer(request.param).with_exposed_ports(PORT) as container:
        url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}/0"
        wait_until(lambda: answers(url), timeout=60)
        yield url


def answers(url: str) -> bool:
    """Whether a server is up."""
    try:
        with driver(url) as asking:
            return bool(asking.ping())
    except redis.RedisError:
        return False


def test_the_suite_passes_on_an_image(image_url: str) -> None:
    ended = suite_on(image_url)

    assert 0 == ended.returncode, ended.stdout
