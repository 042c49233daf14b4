"""`heijunka completion`: the script that lets a shell complete our commands and options."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that completes commands in a shell.

    \b
    bash  eval "$(heijunka completion bash)"  in ~/.bashrc
    zsh   eval "$(heijunka completion zsh)"   in ~/.zshrc, below compinit
    fish  heijunka completion fish | source   in ~/.config/fish/config.fish
    """  # noqa: D301 - click reads the \b: what follows is not wrapped
    from click.shell_completion import get_completion_class

    from heijunka_cli.main import COMPLETION, PROGRAM, main

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    script = kind(main, {}, PROGRAM, COMPLETION)
    click.echo(script.source_template % script.source_vars())  # source() would run the shell to see its version
