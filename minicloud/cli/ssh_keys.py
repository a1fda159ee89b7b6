"""The private key for an instance: the one that was named, else the one that belongs to the instance's key pair.

A file is taken by what is in it, not by its name: only one whose public half is the instance's counts. Under sudo the
person who typed the command keeps keys in their own home, so that is searched too.
"""

import base64
import json
import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..aws.keys import same_key
from ..errors import UsageError

_MOST_FILES = 200
"""Files of one ~/.ssh that are looked into."""


@dataclass(frozen=True)
class Choice:
    """What ssh is given: a file, or None for what the agent or ssh itself finds. `note` is a line for the user, or empty."""

    file: Path | None
    note: str = ""


def homes(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The home of the person who typed the command under sudo, then this process's own."""
    found = [Path.home()]
    if os.geteuid() == 0 and (name := environ.get("SUDO_USER", "")) not in ("", "root"):
        try:
            found.insert(0, Path(pwd.getpwnam(name).pw_dir))
        except KeyError:
            return found
    return found


def choose(identity: str | None, key_name: str, public_key: str, where: Sequence[Path]) -> Choice:
    """The key for an instance launched with the key pair `key_name`; `where` are the homes. Raises UsageError for none."""
    if identity is not None:
        return Choice(_named(Path(identity).expanduser()))
    if not public_key:
        return Choice(None, "it was launched without a key pair, so ssh tries your own keys; -i FILE gives another")
    for file in candidates(key_name, where):
        if same_key(file, public_key):
            return Choice(file.absolute())
    if in_agent(public_key):
        return Choice(None)
    raise UsageError(
        f"no private key of the key pair {key_name} was found in ./{key_name}.pem, {', '.join(f'{home}/.ssh' for home in where)} "
        "or an SSH agent; give its file: -i FILE"
    )


def _named(file: Path) -> Path:
    if not os.access(file, os.R_OK) or file.is_dir():
        raise UsageError(f"-i {file}: there is no such file, or it cannot be read")
    return file.absolute()


def candidates(key_name: str, where: Sequence[Path]) -> Iterator[Path]:
    """Files that may hold the key, the likeliest first."""
    for home in where:
        if (noted := remembered(home, key_name)) is not None:
            yield noted
    # The name of a key pair is anybody's text; as a part of a path it must not lead elsewhere.
    if "/" not in key_name:
        yield Path(f"{key_name}.pem")
        for home in where:
            yield from (home / ".ssh" / f"{key_name}.pem", home / ".ssh" / key_name)
    for home in where:
        yield from _private_keys(home / ".ssh")


def remembered(home: Path, key_name: str) -> Path | None:
    """Where create-key-pair --save put the key of a key pair, as the register in that home says."""
    try:
        found = json.loads(files.read(home / ".config" / "minicloud" / "keys.json"))
        path = found[key_name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Path(path) if isinstance(path, str) else None


def _private_keys(directory: Path) -> Iterator[Path]:
    try:
        files = sorted(directory.iterdir())[:_MOST_FILES]
    except OSError:
        return
    others = {"authorized_keys", "config", "known_hosts", "known_hosts.old", "environment", "rc"}
    yield from (file for file in files if file.suffix != ".pub" and file.name not in others and file.is_file())


def in_agent(public_key: str) -> bool:
    """Whether an SSH agent answers and holds the private half."""
    if "SSH_AUTH_SOCK" not in os.environ:
        return False
    from paramiko import Agent, SSHException

    try:
        agent = Agent()
        try:
            return any(base64.b64encode(key.asbytes()).decode() == public_key.split()[1] for key in agent.get_keys())
        finally:
            agent.close()
    except (SSHException, OSError):
        return False
