"""Sizes of volumes and snapshots that an older state knows, and whose files have others: a volume may be larger since.

A volume has what its file has, which its guest sees. A snapshot has at least that, or a volume made of it would lack the end,
and so has an image's disk that is made of the snapshot. None of it changes a file.
"""

import copy
from collections.abc import Iterator, Mapping

from ..cloud import Cloud
from ..errors import Permanent
from ..reconcile import disk_spec
from ..state.rows import Image

_WHY = "its file has that size"


def follow(cloud: Cloud) -> Iterator[str]:
    """Bring the rows to what the files say; what was done, in sentences. May be asked again. Raises HostError."""
    sizes = _sizes(cloud)
    yield from _volumes(cloud, sizes)
    yield from _snapshots(cloud, sizes)


def _sizes(cloud: Cloud) -> dict[str, int]:
    """Of each layer that can be read, in bytes, noted in its row; of one that is to be made what it will have."""
    there, found, rows = cloud.host.disks.list(), dict[str, int](), cloud.state.layers.find(base="")
    for layer in rows:
        if layer.id in there:
            try:
                found[layer.id] = cloud.host.disks.size(layer.id)
            except Permanent:  # so damaged that its size cannot be told: who uses it tells that
                continue
    found |= {row.id: max(row.size, found.get(row.parent, 0)) for row in rows if not row.made and row.id not in found}
    for layer in rows:
        if found.get(layer.id, layer.size) != layer.size:
            cloud.state.layers.change(layer.id, size=found[layer.id])
    return found


def _volumes(cloud: Cloud, sizes: Mapping[str, int]) -> Iterator[str]:
    """Where a snapshot is being taken, the volume may write to the next layer already."""
    for volume in cloud.state.volumes.query("layer_id != ''"):
        pending = cloud.state.snapshots.find(volume_id=volume.id, state="pending")
        tops = {volume.layer_id, *(snapshot.next_layer for snapshot in pending)} & sizes.keys()
        size = max((_gib(sizes[layer_id]) for layer_id in tops), default=volume.size)
        if size != volume.size:
            cloud.state.volumes.change(volume.id, size=size)
            yield f"the volume {volume.id} has {size} GiB from now on, and not {volume.size}: {_WHY}"


def _snapshots(cloud: Cloud, sizes: Mapping[str, int]) -> Iterator[str]:
    """Never smaller than they were: a volume that is made of one may have zeros at its end."""
    for snapshot in cloud.state.snapshots.query("state in ('pending', 'completed')"):
        volume = cloud.state.volumes.get(snapshot.volume_id)
        layer_id = snapshot.layer_id or (volume.layer_id if volume is not None else "")
        size = _gib(sizes.get(layer_id, 0))
        if size <= snapshot.size:
            continue
        with cloud.state.transaction():
            cloud.state.snapshots.change(snapshot.id, size=size)
            for image in cloud.state.images.query():
                _image(cloud, image, snapshot.id, size)
        yield f"the snapshot {snapshot.id} has {size} GiB from now on, and not {snapshot.size}: {_WHY}"


def _image(cloud: Cloud, image: Image, snapshot_id: str, size: int) -> None:
    """An image's disk is as large as the snapshot that it is made of, or larger."""
    devices = copy.deepcopy(image.devices)
    made = [device["Ebs"] for device in devices if device.get("Ebs", {}).get("SnapshotId") == snapshot_id]
    for ebs in made:
        ebs["VolumeSize"] = max(size, ebs.get("VolumeSize", 0))
    if made:
        root = max(size, image.size) if image.snapshot_id == snapshot_id else image.size
        cloud.state.images.change(image.id, devices=devices, size=root)


def _gib(size: int) -> int:
    return -(-size // disk_spec.GIB)
