"""The aws CLI's profiles, in ~/.aws: read for --profile, written by `minicloud configure`.

What else stands in the files stays as it is. They are written whole or not at all, with mode 0600, and as the user whose they
are: under sudo that is who called it, whose files root must not follow into traps.
"""

import configparser
import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import files
from .errors import ConfigurationError

NAME = "minicloud"


@dataclass(frozen=True)
class Profile:
    """What a profile says; empty where it says nothing."""

    access_key: str = ""
    secret: str = ""
    token: str = ""
    region: str = ""
    endpoint_url: str = ""


def _files(environ: Mapping[str, str], home: Path) -> tuple[Path, Path]:
    """The credentials file and the config file."""
    return (
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE", home / ".aws" / "credentials")),
        Path(environ.get("AWS_CONFIG_FILE", home / ".aws" / "config")),
    )


def read(name: str, environ: Mapping[str, str] = os.environ) -> Profile | None:
    """A profile; None if neither file has it. Raises ConfigurationError for files that cannot be read."""
    credentials, config = (_parsed(path) for path in _files(environ, Path.home()))
    section = "default" if name == "default" else f"profile {name}"
    if not credentials.has_section(name) and not config.has_section(section):
        return None
    found: dict[str, str] = {}
    for parser, wanted in ((config, section), (credentials, name)):
        found.update(parser.items(wanted) if parser.has_section(wanted) else ())
    return Profile(
        found.get("aws_access_key_id", ""),
        found.get("aws_secret_access_key", ""),
        found.get("aws_session_token", ""),
        found.get("region", ""),
        found.get("endpoint_url", ""),
    )


def _parsed(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="no default section")
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {' '.join(str(error).split())}") from error
    return parser


def write(name: str, profile: Profile, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Put a profile into both files, in place of one of that name; returns the files."""
    with _as_caller(environ) as home:
        credentials, config = _files({} if "SUDO_UID" in environ else environ, home)
        keys = {"aws_access_key_id": profile.access_key, "aws_secret_access_key": profile.secret}
        _put(credentials, name, keys)
        section = "default" if name == "default" else f"profile {name}"
        _put(config, section, {"region": profile.region, "endpoint_url": profile.endpoint_url})
    return [credentials, config]


@contextlib.contextmanager
def _as_caller(environ: Mapping[str, str]) -> Iterator[Path]:
    """Act with the rights of whoever called sudo; gives that user's home."""
    if os.geteuid() != 0 or not environ.get("SUDO_UID", "0").isdecimal() or environ.get("SUDO_UID", "0") == "0":
        yield Path.home()
        return
    import pwd

    account = pwd.getpwuid(int(environ["SUDO_UID"]))
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield Path(account.pw_dir)
    finally:
        os.seteuid(0)
        os.setegid(0)


def _put(path: Path, section: str, values: Mapping[str, str]) -> None:
    files.directory(path.parent, 0o700)
    before = path.read_text() if path.exists() else ""
    kept = re.sub(rf"(?ms)^\[{re.escape(section)}\][^\n]*\n.*?(?=^\[|\Z)", "", before)
    lines = [f"[{section}]", *(f"{name} = {value}" for name, value in values.items()), ""]
    separator = "" if not kept or kept.endswith("\n\n") else "\n" if kept.endswith("\n") else "\n\n"
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(kept + separator + "\n".join(lines))
    draft.rename(path.resolve() if path.is_symlink() else path)
