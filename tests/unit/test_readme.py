"""The README's commands: each exists, and takes the flags that stand there."""

import re
import shlex
from pathlib import Path

import click
import pytest

from minicloud import api
from minicloud.aws import model
from minicloud.cli import main, operations, parse
from minicloud.cli.commands import COMMANDS

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
    service, words = (words[0], words[1:]) if words[0] in api.services() else ("ec2", words)
    described = model.service(service)
    command = operations.OperationCommand(service, described.operation(described.named(words[0])))
    until_pipe = words[1 : words.index("|")] if "|" in words else words[1:]
    given = parse.parse(command.flags, until_pipe)
    assert not command.needed(given)
    assert set(command.parameters(given)) <= set(command.operation.input)


@pytest.mark.parametrize("words", [words for words in MINICLOUD if words[0] in COMMANDS], ids=" ".join)
def test_the_other_commands_are_there(words: list[str]) -> None:
    root = main.root()
    with click.Context(root) as context:
        assert root.get_command(context, words[0]) is not None
