"""The account that QEMU runs as, and files that it may use and nobody else can read.

Files are root's with QEMU's group, and libvirt is told to leave their ownership alone (see domain_xml): so permissions do
not change under a file's other users when one guest that shares it stops, and a crash leaves nothing to restore.
"""

import grp
import os
import pwd
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import files

QEMU_CONF = Path("/etc/libvirt/qemu.conf")
_USERS = ("libvirt-qemu", "qemu")
"""What Debian and Ubuntu, and the others, call it."""


@dataclass(frozen=True)
class Account:
    """A user and a group of the host, by number."""

    uid: int
    gid: int


def configured(text: str) -> tuple[str | None, str | None]:
    """The user and the group that the text of a qemu.conf sets, None where it leaves the default."""
    found = dict(re.findall(r'^\s*(user|group)\s*=\s*"\+?([^"]+)"', text, re.MULTILINE))
    return found.get("user"), found.get("group")


def _uid(name: str) -> int | None:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _gid(name: str) -> int | None:
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


@cache
def hypervisor() -> Account:
    """QEMU's account by libvirt's configuration, else by the names that distributions use, else root."""
    try:
        user, group = configured(QEMU_CONF.read_text())
    except OSError:
        user, group = None, None
    uids = [uid for name in (user, *_USERS) if name and (uid := _uid(name)) is not None]
    gids = [gid for name in (group, *_USERS) if name and (gid := _gid(name)) is not None]
    return Account(uids[0] if uids else 0, gids[0] if gids else 0)


def share(path: Path, *, write: bool = False) -> None:
    """Let QEMU read the file (or also write it), and nobody else but root. A directory becomes one that QEMU may enter."""
    mode = 0o750 if path.is_dir() else 0o660 if write else 0o640
    os.chmod(path, mode)
    if os.geteuid() == 0:
        os.chown(path, 0, hypervisor().gid)


def directory(path: Path) -> Path:
    """Make the directory, with the right permissions, if it is not there; its parents can be entered but not listed."""
    if not path.is_dir():
        missing = [parent for parent in path.parents if not parent.exists()]
        files.directory(path, 0o711)  # who is killed here leaves one that QEMU can enter
        for parent in missing:
            parent.chmod(0o711)
        share(path)
    return path
