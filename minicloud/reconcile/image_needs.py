"""What the other homes of this host that share an image store need of it: their rows say so, and the headers of their disks.

A state that cannot be read, as one that is being restored, may need all of them; so may a home that is not found.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ..config import Settings
from ..errors import Permanent
from ..host import disk_stamp, failures, image_users, remains
from ..host.disk_index import DiskIndex
from ..state import image_needs

_SHOWN = 3
ANY = ""
"""In place of an image's id: all of them."""
_REMEDY = "delete that with its MINICLOUD_HOME first, an AMI by deregister-image --delete-associated-snapshots"


@failures.of_system()
def of_others(settings: Settings) -> dict[str, str]:
    """The base images that others need, each with who needs it and for what, in words; for ANY also what to do.

    Raises HostError.
    """
    found: dict[str, str] = {}
    for user in image_users.others(settings.images, settings.home):
        for image_id, why, remedy in _of(user):
            found.setdefault(image_id, why if image_id else f"{why}; {remedy}")
    return found


@failures.of_system()
def unknown(settings: Settings) -> list[tuple[str, str]]:
    """Why it cannot be told what another home needs, each with what to do, in words. Raises HostError."""
    users = image_users.others(settings.images, settings.home)
    return [(why, remedy) for user in users for image_id, why, remedy in _of(user) if image_id == ANY]


def refuse(settings: Settings, image_id: str) -> None:
    """Raise Permanent where another home needs an image. Raises HostError."""
    found = of_others(settings)
    if why := found.get(image_id):
        raise Permanent(f"{image_id} cannot go: {why}; {_REMEDY}")
    if why := found.get(ANY):
        raise Permanent(f"{image_id} cannot go: {why}")


def _of(user: image_users.User) -> Iterator[tuple[str, str, str]]:
    """What a home needs: an image's id or ANY, why, and what to do."""
    home = user.home
    for database in (home / "state.sqlite", home / remains.RESTORING / "state.sqlite"):
        try:
            for image_id, users in image_needs.of(database).items():
                more = f" and {len(users) - _SHOWN} more" if users[_SHOWN:] else ""
                yield image_id, f"the minicloud of {home} needs it: {', '.join(users[:_SHOWN])}{more}", _REMEDY
        except sqlite3.Error as error:
            yield ANY, f"the minicloud of {home} may need any: {database} cannot be read ({error})", _to_read(user, database)
    volumes = home / "volumes"
    for directory, aside in ((volumes, volumes / disk_stamp.ASIDE), (volumes / disk_stamp.RESTORING, volumes / "none")):
        for image_id, path in sorted(DiskIndex(directory, aside).on_images()):
            yield image_id, f"the minicloud of {home} needs it: {path} is built on it", _REMEDY
    if user.mark is not None and not image_users.is_there(home):  # asked last: it may have gone meanwhile
        remedy = f"mount it, or give it a command where it is; if it is gone for good, delete {user.mark}"
        yield ANY, f"the minicloud of {home} is not there (not mounted, or moved?) and may need any", remedy


def _to_read(user: image_users.User, database: Path) -> str:
    """A command brings the state of an older minicloud up to date; a backup replaces one that is damaged."""
    gone = f"move {database} away" + (f", and delete {user.mark} if there are no disks either" if user.mark else "")
    return f"give it a command with MINICLOUD_HOME={user.home}, or restore its backup there; if it is gone for good, {gone}"
