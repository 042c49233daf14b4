"""The documentation page of the settings, written from the settings themselves.

A test compares it with docs/settings.md, so the page cannot tell other defaults or ranges than the code has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from heijunka.config.environment import NOT_SETTINGS, TESTS
from heijunka.config.settings import SETTINGS, Settings

_HEAD: Final = """\
# Settings

<!-- Written by `python -m heijunka.config docs/settings.md`; edit heijunka/config/ instead. -->

A setting is looked for in this order, and the first source that has it decides:

1. an argument of `Heijunka(...)` or a flag of the command line,
2. the environment: `HEIJUNKA_` and the name in capitals, such as `HEIJUNKA_REDIS_URL`,
3. a settings file: `heijunka.toml`, or the table `[tool.heijunka]` of `pyproject.toml`. The nearest directory
   that has one counts, from the current one upwards; having both in one directory is an error,
4. the default.

`heijunka config show --origin` shows every value and where it comes from, passwords hidden. What it prints is
itself a `heijunka.toml`.

Names that do not exist are refused, in the environment as well, with the nearest name as a hint. So are values
out of range. A variable or text that is empty is not a value: unset it to get the default.

Durations are seconds (`30`, `0.5`) or text with units (`"90s"`, `"5m"`, `"1h30m"`, `"250ms"`). Sizes are bytes or
text with units (`"256KiB"`, `"1MB"`).

    # heijunka.toml
    redis_url = "rediss://shop:s3cret@redis.internal:6380/0"
    lease = "20s"
    max_payload = "1MiB"

"""

_VARIABLES: Final = f"""
## Other variables

These start with `HEIJUNKA_` too but are no settings. `{TESTS}*` belongs to the project's own tests. What
Kubernetes puts into pods beside a Service whose name starts with `heijunka` (`HEIJUNKA_SERVICE_HOST`,
`HEIJUNKA_PORT` …) is ignored.

"""


def page() -> str:
    """The page, in Markdown."""
    defaults = Settings()
    settings = [
        (f"`{setting.name}`", f"`{defaults.shown(setting.name)}`", setting.kind.allowed, setting.meaning)
        for setting in SETTINGS.values()
    ]
    variables = [(f"`{name}`", meaning) for name, meaning in NOT_SETTINGS.items()]
    return (
        _HEAD
        + _table(("setting", "default", "may be", "meaning"), settings)
        + _VARIABLES
        + _table(("variable", "meaning"), variables)
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    rule = tuple("---" for _ in head)
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in (head, rule, *rows))
