"""Write the documentation page: `python -m heijunka.config docs/settings.md`, or to stdout without a path."""

from __future__ import annotations

import sys
from pathlib import Path

from heijunka.config.page import page

if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
