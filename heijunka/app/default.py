"""The application of scripts that need no application object."""

from __future__ import annotations

from typing import Final

from heijunka.app.application import Heijunka

default_app: Final = Heijunka()
"""What the module-level `heijunka.task` decorates for."""

task = default_app.task
