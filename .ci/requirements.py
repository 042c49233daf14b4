"""Say what set-up installs, from pyproject.toml and uv.lock, in the words that pip and uv both understand.

`requirements.py test` prints the requirements of a dependency group. `requirements.py --locked` prints the
locked versions as constraints, so that pip installs what uv would. `requirements.py --lowest` prints the
same with every runtime dependency at its lower bound, which keeps pyproject.toml from promising too much.
Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*>=\s*(?P<version>[^,;\s]+)")


def main(wanted: str) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if wanted == "--locked":
        lines = [f"{name}=={version}" for name, version in locked().items()]
    elif wanted == "--lowest":
        lines = [f"{name}=={version}" for name, version in (locked() | lowest(project["project"])).items()]
    else:
        lines = group(project["dependency-groups"], wanted)
    print("\n".join(lines))
    return 0


def group(groups: dict[str, list[Any]], name: str) -> list[str]:
    """The requirements of a dependency group (PEP 735), those of the groups it includes among them."""
    lines: list[str] = []
    for entry in groups[name]:
        lines += [entry] if isinstance(entry, str) else group(groups, entry["include-group"])
    return lines


def locked() -> dict[str, str]:
    """Versions by name. A package locked at several versions, for several Pythons, is left to the installer."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    times = Counter(package["name"] for package in packages)
    from_index = (each for each in packages if "registry" in each["source"])
    return {each["name"]: each["version"] for each in from_index if times[each["name"]] == 1}


def lowest(project: dict[str, Any]) -> dict[str, str]:
    """The lower bounds of what the library runs on; a dependency without one is an error."""
    bounds: dict[str, str] = {}
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["embedded"]]:
        bound = BOUND.match(requirement)
        if bound is None:
            message = f"{requirement!r} has no lower bound"
            raise SystemExit(message)
        bounds[bound["name"].lower()] = bound["version"]
    return bounds


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
