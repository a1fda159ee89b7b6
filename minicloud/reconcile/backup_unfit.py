"""What a backup cannot have, and why: volumes and layers whose files are gone or cannot be read. All others are in it.

Only what a file itself shows makes it unfit: it is gone, or away, beside others that are there, it is not what it has to be, or
the system gives an error of the disk each time it is read. It is looked at a few times. Whatever else fails may pass, and ends
the backup.
"""

import errno
import functools
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ..cloud import Cloud
from ..errors import ApiError, Away, Damaged, Permanent, Unreadable
from ..host import failures, image_check
from ..host.image_store import ImageStore
from ..state.rows import Volume
from ..state.rows_storage import Layer
from . import foreign_tops, layer_files

_ATTEMPTS, _ATTEMPTS_OF_IMAGES, _PAUSE = 5, 2, 0.1


def refuse_absent(cloud: Cloud) -> None:
    """Raise Permanent where none of the disks, or of the base images that they stand on, is there: that says more of the place
    where they are than of each of them.
    """
    made = {layer.id for layer in cloud.state.layers.find(base="", made=True)}
    if made and not made & cloud.host.disks.list().keys():
        raise Permanent(f"none of the disks is in {cloud.settings.home / 'volumes'}: is what it lies on not mounted?")
    bases = {layer.base for layer in cloud.state.layers.query(_STOOD_ON)}
    if bases and not bases & cloud.host.images.list().keys():
        raise Permanent(f"no base image that a disk stands on is in {cloud.settings.images}: is what it lies on not mounted?")


_STOOD_ON = "base != '' and id in (select parent from layers)"


def of_volume(cloud: Cloud, volume: Volume, *, thorough: bool = False) -> str:
    """Why a volume's files are of no use; empty if they are, as far as can be told. Raises HostError for what may pass.

    The row of one that no guest has is in error then, as where no guest can start with it; `thorough` reads all tables.
    """
    if why := foreign_tops.found(cloud, [volume]).get(volume.id):
        return why
    found = _lasting(lambda: layer_files.verify(cloud, volume.layer_id, thorough=thorough))
    if isinstance(found, Damaged) and volume.state == "available":
        cloud.state.volumes.change_if(volume, ("state", "layer_id"), state="error", reason=found.message)
    return found.message if found else ""


def of_layers(cloud: Cloud, layers: Collection[Layer]) -> dict[str, str]:
    """Which of these layers have files that a restoration would refuse, and why, by their ids. Base images are not among them."""
    checked = {layer.id: _lasting(functools.partial(_check, cloud, layer)) for layer in layers}
    return {layer_id: found.message for layer_id, found in checked.items() if found}


def of_image(images: ImageStore, image_id: str, *, thorough: bool) -> str:
    """Why the files of a base image cannot be restored; empty if they can. `thorough` reads its disk."""

    def check() -> None:
        images.get(image_id)
        if thorough:
            images.check(images.path(image_id).parent)

    found = _lasting(lambda: _checked(check), _ATTEMPTS_OF_IMAGES)
    return found.message if found else ""


def _check(cloud: Cloud, layer: Layer) -> None:
    path = Path(layer_files.path(cloud, layer))
    _checked(lambda: image_check.check_layer(Path(os.path.realpath(path)), alone=not layer.parent))


@failures.of_system()
def _checked(check: Callable[[], None]) -> None:
    try:
        check()
    except ApiError as error:
        raise Damaged(error.message) from error
    except FileNotFoundError as error:
        raise Damaged(f"{error.filename} is not there") from error
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise Damaged(f"{error.filename} is no regular file") from error
        if error.errno == errno.EIO:
            raise Unreadable(f"it cannot be read: {error}") from error
        raise


def _lasting(check: Callable[[], None], attempts: int = _ATTEMPTS) -> Away | Damaged | Unreadable | None:
    """What a check finds wrong each time."""
    found: Away | Damaged | Unreadable | None = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(_PAUSE)
        try:
            check()
        except (Away, Damaged, Unreadable) as error:
            found = error
        else:
            return None
    return found
