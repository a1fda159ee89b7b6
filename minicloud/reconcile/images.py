"""Images: a base image that appears in the store is registered once, under its own identifier."""

from ..aws import times
from ..aws.ids import new_id
from ..cloud import Cloud
from ..host.contracts import BaseImage
from ..state.rows import Image
from ..state.rows_storage import Layer, Snapshot
from . import isolation

_GIB = 1 << 30
_LONGEST_NAME = 128


def row_of(base: BaseImage, name: str, account: str) -> Image:
    """The row of a base image; the root volume's size is rounded up to whole GiB."""
    return Image(
        id=base.image_id,
        base=base.image_id,
        name=name,
        description=base.description,
        architecture=base.architecture,
        boot_mode=base.boot_mode,
        default_user=base.default_user,
        root_device_name=base.root_device_name,
        size=max(1, -(-base.virtual_size // _GIB)),
        snapshot_id=new_id("snapshot"),
        state="available",
        public=False,
        location=f"{account}/{name}",
        created=times.text(times.seconds(base.created)),
    )


def register(cloud: Cloud, image: Image, virtual_size: int) -> None:
    """The rows of a base image: itself, the snapshot that its instances start from, and that one's layer, the image's file."""
    state = cloud.state
    layer = Layer(new_id("layer"), "", image.base, virtual_size, image.created, made=True)
    snapshot = Snapshot(
        id=image.snapshot_id, volume_id="vol-ffffffff", layer_id=layer.id, size=image.size, batch=image.snapshot_id,
        description=f"Base image {image.name}", started=image.created, completed=image.created, state="completed",
    )  # fmt: skip
    ebs = {
        "SnapshotId": snapshot.id, "VolumeSize": image.size, "VolumeType": "gp3", "DeleteOnTermination": True, "Encrypted": False,
    }  # fmt: skip
    image.devices = [{"DeviceName": image.root_device_name, "Ebs": ebs}]
    state.layers.add(layer)
    state.snapshots.add(snapshot)
    state.images.add(image)


def reconcile(cloud: Cloud) -> bool:
    """Register what is new in the store; whether there was anything."""
    cloud.host.images.keep()
    found = cloud.host.images.list()
    known = {image.id for image in cloud.state.images.among("id", found)}
    new = [(image_id, base) for image_id, base in found.items() if image_id not in known]
    return isolation.each(cloud, "images", new, lambda base: _register_new(cloud, base))


def _distinct(base: BaseImage) -> str:
    """A name of an AMI, of 128 letters at most, that no other image has."""
    added = f" ({base.image_id})"
    return base.name[: _LONGEST_NAME - len(added)] + added


def _register_new(cloud: Cloud, base: BaseImage) -> bool:
    state = cloud.state
    with state.transaction():
        if state.images.get(base.image_id) is not None:
            return False
        taken = state.images.query("name = ? and state in ('available', 'pending', 'disabled')", [base.name])
        name = _distinct(base) if taken else base.name
        register(cloud, row_of(base, name, cloud.settings.account_id), base.virtual_size)
        return True
