"""`eyebright completion`: the script that teaches a shell to complete verbs and options."""

import click
from click.shell_completion import get_completion_class

from eyebright.cli import eyebright


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for your shell.

    \b
      eyebright completion bash > ~/.local/share/bash-completion/completions/eyebright
      eyebright completion zsh > ~/.zfunc/_eyebright
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(eyebright, {}, "eyebright", "_EYEBRIGHT_COMPLETE").source())
