"""Topics: where alarms and groups send their messages. Read from config.toml, and imports nothing of ours but errors.

    [topics.ops]
    webhook = "https://chat.example/hook"
    [topics.pager]
    command = ["/usr/local/bin/page", "--from", "minicloud"]

`arn:aws:sns:REGION:ACCOUNT:ops` is the first one. A webhook gets the message as SNS posts it; a command gets it on standard
input. A command is a list of arguments and no shell reads it; it is taken only from a file that root alone can write.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_WRITABLE_BY_OTHERS = 0o022


@dataclass(frozen=True)
class Topic:
    """A topic: a URL that its messages are posted to, a command that is run for each, or both."""

    webhook: str = ""
    command: tuple[str, ...] = ()


def read(given: Any, path: Path) -> dict[str, Topic]:
    """The topics by name. `path` is the file that they are from. Raises UsageError."""
    if not isinstance(given, Mapping):
        raise UsageError(f"{path}: topics are tables, such as [topics.ops]")
    return {name: _topic(name, one, path) for name, one in given.items()}


def _topic(name: str, given: Any, path: Path) -> Topic:
    where = f"{path}: topics.{name}"
    if not _NAME.fullmatch(name):
        raise UsageError(f"{where}: a topic's name has letters, digits, - and _ only")
    if not isinstance(given, Mapping) or not given or set(given) - {"webhook", "command"}:
        raise UsageError(f"{where}: a topic has a webhook, a command, or both, and nothing else")
    webhook, command = given.get("webhook", ""), given.get("command", [])
    if not isinstance(webhook, str) or (webhook and not webhook.startswith(("http://", "https://"))):
        raise UsageError(f"{where}: a webhook is a URL that begins with http:// or https://")
    if not isinstance(command, list) or not all(isinstance(word, str) and "\0" not in word for word in command):
        raise UsageError(f"{where}: a command is a list of arguments, such as ['/usr/local/bin/page']")
    if command and not command[0].startswith("/"):
        raise UsageError(f"{where}: a command is named by its whole path, not {command[0]!r}")
    if command:
        _check_owner(path, where)
    return Topic(webhook, tuple(command))


def _check_owner(path: Path, where: str) -> None:
    about = path.stat()
    if about.st_uid != 0 or about.st_mode & _WRITABLE_BY_OTHERS:
        raise UsageError(f"{where}: commands are taken only from a file that belongs to root and that nobody else can write")
