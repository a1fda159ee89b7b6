"""`minicloud completion SHELL`: the script that makes a shell ask minicloud how a line goes on."""

import click


@click.command("completion", help='Print the script; in bash: eval "$(minicloud completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    made = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    click.echo(made(ctx.find_root().command, {}, "minicloud", "_MINICLOUD_COMPLETE").source())
