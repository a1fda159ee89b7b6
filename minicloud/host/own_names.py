"""The full forms of the names that minicloud gives to files and directories: what bears any other is a stranger's.

Whoever removes files that no row names asks here. A name that only begins like one of ours is none of ours.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import disk_links

_HEX = "[0-9a-f]{8}(?:[0-9a-f]{9})?"
_INSTANCE, _IMAGE, _NETWORK = f"i-{_HEX}", f"ami-{_HEX}", f"subnet-{_HEX}"
_DISK = f"(?:layer-{_HEX}|{_INSTANCE}-ephemeral[0-9]{{1,2}})"
_BALANCER = "elb-[0-9a-f]{16}"
_WORK = "[.]partial-[A-Za-z0-9._-]+-[0-9a-f]{8}"
_ASIDE = "volumes/quarantine(?:/[^/]+)?"
_DATABASE = "sqlite(?:-wal|-shm|-journal)?"
_LOGS = "logs(?:/[^/]+)*"

_KEYS = (
    "certificates/[0-9a-f]{32}[.](?:key|new)",
    "credentials[.]key",
    "identity[.](?:key|pem)|endpoint[.](?:key|pem)",
    f"nvram/{_INSTANCE}[.]fd",
)
"""What a state cannot do without, and what is not made again, beside the databases and the disks."""
KEY_DIRECTORIES = ("certificates", "nvram")
"""Below the home: where some of them are."""
_COPIED = "|".join([*_KEYS, "(?:state|metrics)[.]sqlite", "manifest[.]json"])
_MOVED = "[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?"
_DRAFT = (
    f"(?:certificates/[.][0-9a-f]{{32}}[.]key|nvram/[.]{_INSTANCE}[.]fd|[.](?:state|metrics)[.]{_DATABASE}|[.]credentials[.]key"
    "|[.](?:identity|endpoint)[.](?:key|pem))[.]new"
)
"""A copy that a restoration makes of a key or a database where it cannot rename it."""
LOG = "AWSLogs/[0-9]{12}/elasticloadbalancing/[^/]+/[^/]+[.]log(?:[.][12])?"
"""A log below its bucket and prefix."""
_LOG_DRAFT = "AWSLogs/[0-9]{12}/elasticloadbalancing/[^/]+/[.][^/]+[.]log[.]new"
_HOME_MARK = "[0-9a-f]{16}[.]json"
IMAGES = (
    f"{_IMAGE}/(?:image[.]qcow2|manifest[.]json|vmlinuz|initrd)",
    "[.]downloads/[0-9a-f]{24}[.](?:part|json)",
    f"[.]homes/(?:{_HOME_MARK}|[.]{_HOME_MARK}[.]new)",
)
HOME = (
    f"volumes/{_DISK}[.](?:qcow2|new)|volumes/(?:(?:minicloud|place)[.]json|[.](?:minicloud|place)[.]json[.]new)",
    f"volumes/[.]restore/{_DISK}[.]qcow2",
    f"volumes/quarantine/[^/]+/(?:{_DISK}[.]qcow2|manifest[.]json)",
    f"seeds/(?:{_INSTANCE}[.]iso|[.]{_INSTANCE}[.][a-z0-9_]{{8}})",
    f"consoles/(?:{_INSTANCE}[.]log(?:[.][0-9])?|[.]{_INSTANCE}[.]log[.]new)",
    f"nvram/(?:{_INSTANCE}[.]fd|[.]{_INSTANCE}[.]fd[.]new)",
    f"pulls/{_INSTANCE}",
    "certificates/[0-9a-f]{32}[.](?:key|new)",
    f"{_LOGS}/{LOG}",
    f"{_LOGS}/{_LOG_DRAFT}",
    f"(?:state|metrics)[.]{_DATABASE}",
    f"[.](?:backup|restore)/(?:{_COPIED}|(?:state|metrics)[.]{_DATABASE}|partial|ready[.]json(?:[.]new)?)",
    f"replaced/{_MOVED}/(?:{_COPIED}|(?:state|metrics)[.]{_DATABASE})",
    f"(?:replaced/{_MOVED}/)?{_DRAFT}",
    "backup[.]json(?:[.]new)?",
    "credentials[.]key|[.]credentials[.]key[.][0-9a-f]{16}",
    "identity[.](?:key|pem)|[.]identity[.](?:key|pem)[.]new|endpoint[.](?:key|pem)(?:[.]new)?",
)
_SOCKET = "wake.sock"
RUN = (
    "locks|metadata[.]key|wake[.](?:sock|identity)|balancers/hosts[.]lock|firewall/state[.](?:json|new)",
    f"networks/names/(?:{_NETWORK}|{_BALANCER}|[.](?:{_NETWORK}|{_BALANCER})[.]new)",
)
"""The files of each of the three directories, by their paths below it (regular expressions)."""
DIRECTORIES = (
    f"{_IMAGE}|[.]downloads|[.]homes|volumes|{_ASIDE}|seeds|consoles|nvram|pulls|certificates|{_LOGS}|balancers|firewall"
    "|networks|networks/names|volumes/[.]restore"
    f"|[.](?:backup|restore)(?:/certificates|/nvram)?|replaced|replaced/{_MOVED}(?:/certificates|/nvram)?"
)
"""The directories that these are in. They go when they are empty."""


def is_work(name: str) -> bool:
    """Whether a directory of the image store is one that somebody works in, or worked in when he was killed."""
    return re.fullmatch(_WORK, name) is not None


def is_download(name: str) -> bool:
    """Whether a file of the store's downloads is one of ours."""
    return re.fullmatch(IMAGES[1], f".downloads/{name}") is not None


def is_home_mark(name: str) -> bool:
    """Whether a file of the store's `.homes` says that a home uses the store."""
    return re.fullmatch(_HOME_MARK, name) is not None


def is_log(path: Path) -> bool:
    """Whether a path below the home is that of an access log."""
    return re.fullmatch(f"{_LOGS}/{LOG}", str(path)) is not None


def is_image_file(path: str) -> bool:
    """Whether a path below a store is that of a file of a base image."""
    return re.fullmatch(IMAGES[0], path) is not None


def is_disk(name: str) -> bool:
    """Whether a name without its ending is that of a disk that minicloud makes."""
    return re.fullmatch(_DISK, name) is not None


def instance_of(name: str) -> str:
    """The id of the instance that a file of ours is of, by its name; empty for one of none."""
    found = re.fullmatch(f"[.]?({_INSTANCE})(?:[.-].*)?", name)
    return found[1] if found else ""


def is_key(path: str) -> bool:
    """Whether a path below the home is that of a key, or of something else that a state needs and that is not made again."""
    return re.fullmatch("|".join(_KEYS), path) is not None


def is_in_backup(path: str) -> bool:
    """Whether a member of a backup may have a name."""
    images = f"images/{IMAGES[0]}"
    return re.fullmatch(f"{_COPIED}|volumes/layer-{_HEX}[.]qcow2|{images}|settings/config[.]toml", path) is not None


def walk(root: Path, forms: Sequence[str], but: Sequence[Path] = (), *, out: bool = True) -> Iterator[tuple[Path, bool]]:
    """All that is in `root`, with whether it is ours; what is in a directory comes before it.

    A directory of a stranger's is named and not looked into. One of ours may be a link of the administrator's to another
    place: what is in it is ours, the link is not. Without `out`, one that leads out of `root` is named and not looked into.
    `but` are files and directories that are left out.
    """
    files = re.compile("|".join(forms))
    yield from _walk(root, "", files, {os.path.abspath(path) for path in but}, None if out else root)


def _walk(directory: Path, above: str, files: re.Pattern[str], but: set[str], root: Path | None) -> Iterator[tuple[Path, bool]]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path, below = directory / entry.name, above + entry.name
        if os.path.abspath(path) in but:
            continue
        if root is not None and disk_links.outside(path, root):
            yield path, False
        elif _is_directory(entry) and re.fullmatch(DIRECTORIES, below):
            yield from _walk(path, f"{below}/", files, but, root)
            yield path, not entry.is_symlink()
        elif entry.is_dir(follow_symlinks=False):
            yield path, is_work(below)
        else:
            yield path, _is_of_ours(entry, below) and files.fullmatch(below) is not None


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    """Whether it is one, or a link to one; a link that leads in a circle is not."""
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


def _is_of_ours(entry: "os.DirEntry[str]", below: str) -> bool:
    """Whether it is of a kind that minicloud makes: a regular file, or the socket that it has."""
    return entry.is_file(follow_symlinks=False) or (below == _SOCKET and stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode))
