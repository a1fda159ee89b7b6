"""From rows to what a driver starts: a pure function, once the rows are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..aws import instance_types
from ..aws.names import hostname
from ..config import Settings
from ..host.contracts import BaseImage, BootSpec, GuestSpec, Host, NicSpec, Seed
from ..host.contracts_storage import DiskSpec
from ..metadata import cloud_init
from ..state.rows import Image, Instance, Interface, Volume
from ..state.store import State
from . import disk_spec

_GB = 10**9
_LETTERS = "bcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Parts:
    """An instance with all that its guest is made of. The root volume is the first."""

    row: Instance
    image: Image
    volumes: Sequence[Volume]
    interfaces: Sequence[Interface]


def parts(state: State, row: Instance) -> Parts:
    """Read them."""
    image = state.images.get(row.image_id)
    if image is None:
        raise LookupError(f"{row.id} has no image {row.image_id}")
    volumes = state.volumes.find(instance_id=row.id)
    interfaces = state.interfaces.find(instance_id=row.id)
    return Parts(
        row,
        image,
        sorted(volumes, key=lambda volume: (volume.device != image.root_device_name, volume.device)),
        sorted(interfaces, key=lambda interface: interface.device_index),
    )


def scratch_disks(row: Instance) -> dict[str, int]:
    """The instance store of the type: disk ids and sizes in bytes. Such disks live from a start to the next stop."""
    disks = instance_types.get(row.instance_type).disks
    if disks is None:
        return {}
    count, size = disks
    return {f"{row.id}-ephemeral{number}": size * _GB for number in range(count)}


def tap(interface: Interface) -> str:
    """The name of the host's end of an interface's cable: at most 15 characters."""
    return f"mc{interface.id.removeprefix('eni-')[-11:]}"


def card(interface: Interface) -> NicSpec:
    """The network card of an interface."""
    return NicSpec(interface.mac, interface.subnet_id, tap(interface))


def seed(given: Parts, about: Mapping[str, Any]) -> Seed:
    """What the guest reads about itself; `about` is what its metadata says."""
    return Seed(
        instance_id=given.row.id,
        hostname=hostname(given.interfaces[0].address),
        public_keys=(given.row.public_key,) if given.row.public_key else (),
        user_data=cloud_init.user_data(given.row.user_data),
        default_user=given.image.default_user,
        about=about,
    )


def guest(given: Parts, host: Host, settings: Settings, base: BaseImage | None) -> GuestSpec:
    """The guest of an instance. `base` is its image on the host, or None if that is gone and the disk stands alone."""
    row = given.row
    kind = instance_types.with_cpus(row.instance_type, row.cpu_cores, row.cpu_threads)
    disks = [disk_spec.of_volume(host, volume) for volume in given.volumes]
    disks += [
        DiskSpec(disk_id, host.disks.path(disk_id), f"ephemeral{number}", f"/dev/sd{_LETTERS[number]}")
        for number, disk_id in enumerate(scratch_disks(row))
    ]
    return GuestSpec(
        guest_id=row.id,
        vcpus=kind.vcpus,
        memory=kind.memory_mib,
        cpu_weight=kind.cpu_weight,
        disks=tuple(disks),
        nics=tuple(card(interface) for interface in given.interfaces),
        seed=host.seeds.path(row.id) if settings.seed_disk else None,
        boot=boot(given.image, settings, base),
        accelerators=tuple(row.accelerators),
    )


def boot(image: Image, settings: Settings, base: BaseImage | None) -> BootSpec:
    """How the guest starts: by its own boot loader where it has one, unless the settings prefer the kernel beside it."""
    if base is not None and base.boot.kernel and (settings.direct_boot or not base.boot_loader):
        return base.boot
    return BootSpec(firmware="uefi" if image.boot_mode == "uefi" else "bios")
