"""The files of layers: where they are, and making those that are not there yet."""

from ..aws import times
from ..aws.ids import new_id
from ..cloud import Cloud
from ..errors import Damaged, Permanent
from ..host import disk_stamp
from ..state.rows_storage import Layer
from . import generations, locks

LOCK = "layers"
"""Held while a file is put on another, or rows and headers come to say that one stands on another; never for long."""
PATIENCE = 60.0


def new(parent: str, size: int) -> Layer:
    """A layer to be made; `size` in bytes."""
    return Layer(new_id("layer"), parent, "", size, times.now())


def path(cloud: Cloud, layer: Layer) -> str:
    """Where a layer's blocks are. Raises Permanent where the image of a base layer is gone."""
    return cloud.host.images.path(layer.base) if layer.base else cloud.host.disks.path(layer.id)


def make(cloud: Cloud, layer_id: str) -> None:
    """Make a layer's file if it was not made. Raises HostError."""
    with locks.held(cloud.settings.run, LOCK, PATIENCE):
        layer = cloud.state.layers.get(layer_id)
        if layer is None:
            raise Permanent(f"the layer {layer_id} is unknown")
        if layer.made:
            return
        parent = cloud.state.layers.get(layer.parent) if layer.parent else None
        generations.count(cloud)
        if parent is not None and parent.base:
            cloud.host.images.keep(build=True)
        cloud.host.disks.create(layer.id, layer.size, path(cloud, parent) if parent else None)
        cloud.state.layers.change(layer.id, made=True)


def follow_aside(cloud: Cloud) -> None:
    """Let disks that were set aside stand where what they stand on is, after the home was moved, too. Raises HostError."""
    settings = cloud.settings
    stores = [settings.images, *([settings.shared_images] if settings.shared_images else [])]
    with locks.held(settings.run, LOCK, PATIENCE):
        disk_stamp.follow(settings.home / "volumes", stores)


def verify(cloud: Cloud, layer_id: str, *, thorough: bool = False) -> None:
    """Whether the files of a layer and of all that it stands on are there and readable. Raises Damaged where not, HostError.

    `thorough` reads all their tables; else their headers have to do.
    """
    while layer_id:
        layer = cloud.state.layers.get(layer_id)
        if layer is None:
            raise Permanent(f"the layer {layer_id} is unknown")
        if layer.base:
            path(cloud, layer)
        elif layer.made:
            cloud.host.disks.size(layer.id)
            if damage := cloud.host.disks.damage(layer.id):
                raise Damaged(damage)
            if thorough:
                cloud.host.disks.check(layer.id)
        layer_id = layer.parent
