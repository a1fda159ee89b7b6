"""The README's commands: each exists, and takes the flags that stand there."""

import re
import shlex
from pathlib import Path

import click
import pytest

from minicloud.cli import main, parse
from minicloud.cli.commands import COMMANDS
from minicloud.cli.flag_command import FlagCommand
from minicloud.cli.operations import OperationCommand
from minicloud.cli.wait import WaiterCommand

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def commands() -> list[list[str]]:
    """Each command line of the README's indented blocks, continued lines joined, comments away."""
    block = "\n".join(line[4:] for line in README.splitlines() if line.startswith("    "))
    joined = re.sub(r"\\\n\s*", " ", block)
    lines = [line.removeprefix("sudo ") for line in joined.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(("minicloud ", "scripts/"))]


MINICLOUD = [words[1:] for words in commands() if words[0] == "minicloud"]
SCRIPTS = [words for words in commands() if words[0].startswith("scripts/")]


def command_of(words: list[str]) -> tuple[FlagCommand, list[str]]:
    """The operation or waiter that words name, through the groups of services, and the words after its name."""
    command: click.Command | None = main.root()
    with click.Context(main.root()) as context:
        while isinstance(command, click.Group):
            command, words = command.get_command(context, words[0]), words[1:]
    assert isinstance(command, FlagCommand)
    return command, words


def test_there_are_commands() -> None:
    assert len(MINICLOUD) >= 15
    assert ["scripts/quickstart"] in SCRIPTS
    assert ["scripts/test"] in SCRIPTS


@pytest.mark.parametrize("words", SCRIPTS, ids=" ".join)
def test_the_scripts_are_there_and_can_be_run(words: list[str]) -> None:
    scripts = [ROOT / word for word in words if word.startswith("scripts/")]
    assert scripts
    for script in scripts:
        assert script.stat().st_mode & 0o111, script


@pytest.mark.parametrize("words", [words for words in MINICLOUD if words[0] not in COMMANDS], ids=" ".join)
def test_the_operations_take_the_flags_that_the_readme_gives(words: list[str]) -> None:
    command, rest = command_of(words)
    given = parse.parse(command.flags, rest[: rest.index("|")] if "|" in rest else rest)
    assert not command.needed(given)
    caller = command.caller if isinstance(command, WaiterCommand) else command
    assert isinstance(caller, OperationCommand)
    assert set(caller.parameters(given)) <= set(caller.operation.input)


@pytest.mark.parametrize("words", [words for words in MINICLOUD if words[0] in COMMANDS], ids=" ".join)
def test_the_other_commands_are_there(words: list[str]) -> None:
    root = main.root()
    with click.Context(root) as context:
        assert root.get_command(context, words[0]) is not None
