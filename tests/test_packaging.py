"""What users install is what the repository says: one version, one lock, nothing else in site-packages."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import heijunka

ROOT = Path(__file__).resolve().parent.parent
PYPI = {"pypi.org", "files.pythonhosted.org"}
MODULES = {"opentelemetry-api": "opentelemetry"}
"""Packages whose module has another name."""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What the command printed; its failure is the test's, with everything it said."""
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert 0 == ended.returncode, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def urls(value: object) -> set[str]:
    """Every address anywhere in a parsed TOML document."""
    if isinstance(value, dict):
        return set().union(*(urls(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(urls(each) for each in value))
    return {value} if isinstance(value, str) and "://" in value else set()


def sources(package: Path, suffix: str) -> set[str]:
    return {path.relative_to(package).as_posix() for path in package.rglob(f"*{suffix}")}


def test_a_plain_checkout_knows_its_version() -> None:
    said = run(sys.executable, "-S", "-c", "from heijunka._version import __version__; print(__version__)")

    assert heijunka.__version__ == said.strip()


def test_the_command_says_the_librarys_version() -> None:
    call = "import sys; sys.path.append('cli'); from heijunka_cli.main import main; sys.exit(main())"

    said = run(sys.executable, "-c", call, "--version")

    assert heijunka.__version__ in said


def test_the_lock_names_no_index_but_pypis() -> None:
    lock = read_toml("uv.lock")

    assert PYPI == {urlsplit(url).hostname for url in urls(lock)}
    assert {"https://pypi.org/simple"} == {
        package["source"]["registry"] for package in lock["package"] if "registry" in package["source"]
    }


def test_the_lock_was_made_from_these_requirements() -> None:
    """Whoever changes a requirement runs `make lock`."""
    project = read_toml("pyproject.toml")
    metadata = next(package for package in read_toml("uv.lock")["package"] if package["name"] == "heijunka")["metadata"]

    extras = project["project"]["optional-dependencies"]
    groups = project["dependency-groups"]
    runtime = {*project["project"]["dependencies"], *(each for extra in extras.values() for each in extra)}

    assert {spelled(each) for each in runtime} == {spelled_as_locked(each) for each in metadata["requires-dist"]}
    assert set(extras) == set(metadata["provides-extras"])
    assert {name: {spelled(each) for each in flat(groups, name)} for name in groups} == {
        name: {spelled_as_locked(each) for each in entries} for name, entries in metadata["requires-dev"].items()
    }


def flat(groups: dict[str, list[Any]], name: str) -> list[str]:
    return [
        each
        for entry in groups[name]
        for each in ([entry] if isinstance(entry, str) else flat(groups, entry["include-group"]))
    ]


def spelled(requirement: str) -> str:
    """A requirement in the order the lock writes it: the name, its extras, the versions."""
    return requirement.replace(" ", "").lower()


def spelled_as_locked(entry: dict[str, Any]) -> str:
    extras = f"[{','.join(entry['extras'])}]" if "extras" in entry else ""
    return f"{entry['name']}{extras}{entry.get('specifier', '')}".replace(" ", "")


def imported() -> set[str]:
    """The packages that anything we ship imports."""
    found = set()
    for file in [*(ROOT / "heijunka").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    return found


def test_a_requirement_is_used_or_is_said_to_be_reserved() -> None:
    """The day it is used, these words are too many; the day it is used no more, they are missing."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    reserved = {
        name
        for above, line in itertools.pairwise(lines)
        if "# reserved" in line or above.startswith("# Reserved")
        for name in re.findall(r'"([a-z-]+)>=', line)
    }
    project = read_toml("pyproject.toml")["project"]
    required = [
        *project["dependencies"],
        *(each for extra, those in project["optional-dependencies"].items() if extra != "embedded" for each in those),
    ]

    names = {re.split("[<>=]", each)[0] for each in required}
    assert reserved == {name for name in names if MODULES.get(name, name.replace("-", "_")) not in imported()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as an index would."""
    made = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", made, ROOT)
    return next(made.glob("*.whl"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_holds_the_library_the_command_and_the_scripts(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert {name.split("/")[0] for name in held} == {"heijunka", "heijunka_cli"}
    assert {f"heijunka/lua/{name}" for name in sources(ROOT / "lua", ".lua")} == {
        name for name in held if name.endswith(".lua")
    }
    assert {
        *(f"heijunka/{name}" for name in sources(ROOT / "heijunka", ".py")),
        *(f"heijunka_cli/{name}" for name in sources(ROOT / "cli" / "heijunka_cli", ".py")),
    } == {name for name in held if name.endswith(".py")}
    assert {"heijunka/py.typed", "heijunka_cli/py.typed"} == {name for name in held if name.endswith("py.typed")}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_bare_environment_gains_only_our_packages_and_runs_the_command(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=True)
    bare = tmp_path / "bare" / "bin"
    site = Path(run(bare / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    requirements = read_toml("pyproject.toml")["project"]["dependencies"]
    run(bare / "python", "-m", "pip", "install", "--quiet", *requirements)
    before = {path.name for path in site.iterdir()}

    run(bare / "python", "-m", "pip", "install", "--quiet", "--no-deps", wheel)

    dist_info = f"heijunka-{heijunka.__version__}.dist-info"
    assert {"heijunka", "heijunka_cli", dist_info} == {path.name for path in site.iterdir()} - before
    assert heijunka.__version__ in run(bare / "heijunka", "--version", cwd=Path("/"))
