"""docs/cli.md tells what the command does, no more and no less."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from heijunka_cli.ending import Code
from heijunka_cli.main import main
from heijunka_cli.page import page
from tests.cli.conftest import ROOT


def commands(context: click.Context) -> list[click.Context]:
    group = context.command
    if not isinstance(group, click.Group):
        return [context]
    inside = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [
        context,
        *(
            each
            for name, command in inside
            if command is not None
            for each in commands(click.Context(command, info_name=name, parent=context))
        ),
    ]


def test_the_page_is_what_the_commands_say() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")

    assert page() == written, "run: python -m heijunka_cli.page docs/cli.md"


def test_the_page_has_every_command_every_option_and_every_exit_code() -> None:
    sections = {part.partition("`")[0]: part for part in page().split("\n## `")[1:]}

    every = commands(click.Context(main, info_name="heijunka", **main.context_settings))
    assert [context.command_path for context in every] == list(sections)
    for context in every:
        for parameter in context.command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in sections[context.command_path], f"{context.command_path} {option}"
    assert all(f"| `{code.value}` | {code.says} |" in page() for code in Code)


def test_the_module_writes_the_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "heijunka_cli.page"]
    subprocess.run([*command, tmp_path / "cli.md"], check=True)
    printed = subprocess.run(command, capture_output=True, check=True).stdout

    assert page().encode() == (tmp_path / "cli.md").read_bytes() == printed
