"""Settings in the environment.

A variable that starts with `HEIJUNKA_` and is nobody's setting is refused, or a typing error would go
unnoticed until production does the wrong thing. Three sorts are not ours to refuse: those in `NOT_SETTINGS`,
those of our tests, and what Kubernetes puts into every pod beside a Service whose name starts with `heijunka`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from heijunka.config.given import Given, no_setting
from heijunka.config.settings import SETTINGS

PREFIX: Final = "HEIJUNKA_"
NOT_SETTINGS: Final = {
    "HEIJUNKA_ENV": "Names the surroundings; `production` keeps the embedded server from starting.",
    "HEIJUNKA_RUNTIME_DIR": "Where supervisors keep what their successors need when they are killed: a private "
    "directory, best in memory, that containers which replace each other share. Without it, one under `/dev/shm`.",
    "HEIJUNKA_SERVER_BINARY": "Path of the server that the embedded server runs, instead of looking for one.",
    "HEIJUNKA_STATE_DIR": "Where the embedded server keeps its data.",
    "HEIJUNKA_WORKER": "The worker's id, set by it for itself and what it starts, which ends when it does.",
}
"""Variables that are read elsewhere, and what they are for."""
TESTS: Final = "HEIJUNKA_TEST_"

_SERVICE_LINK = re.compile(
    r"HEIJUNKA(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+:[0-9]+")


def given_in_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    """What the environment sets.

    Parameters:
        environ: variables by name.

    Raises:
        UnknownSetting: a `HEIJUNKA_` variable is no setting.
    """
    variables = {setting.variable: setting for setting in SETTINGS.values()}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or name.startswith(TESTS) or _is_link(name, value):
            continue
        if name in variables:
            yield Given(variables[name].name, value, f"environment {name}")
        else:
            raise no_setting(name, "environment", [*variables, *NOT_SETTINGS])


def _is_link(name: str, value: str) -> bool:
    if name.endswith("_PORT") and _SERVICE_ADDRESS.fullmatch(value):
        return True
    return _SERVICE_LINK.fullmatch(name) is not None
