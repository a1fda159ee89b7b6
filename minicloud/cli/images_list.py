"""What `minicloud images list` shows: the images of the stores, what is damaged in them, and what could be had."""

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..host.image_store import ImageStore, Manifest
    from ..state.rows import Image

_SHORT = ("ImageId", "Name", "State", "DefaultUser", "BootMode", "Disks", "Created")


def listing(cloud: "Cloud", *, short: bool) -> dict[str, Any]:
    """The answer. `short` leaves out what does not fit on a screen."""
    from ..host.base_images import store

    images, state = store(cloud.settings), cloud.state
    rows = {row.id: row for row in state.images.query()}
    bases = {layer.id: layer.base for layer in state.layers.query("base != ''")}
    disks = Counter(bases[layer.parent] for layer in state.layers.among("parent", bases))
    there = [_image(images, manifest, rows.get(manifest.image_id), disks[manifest.image_id]) for manifest in images.list()]
    if short:
        there = [{name: entry[name] for name in _SHORT} for entry in there]
    damaged = [{"Path": str(found.path), "Reason": found.reason} for found in images.damaged()]
    return {"Images": there, **({"Damaged": damaged} if damaged else {}), "Available": available()}


def _image(images: "ImageStore", manifest: "Manifest", row: "Image | None", disks: int) -> dict[str, Any]:
    file = images.path(manifest.image_id)
    return {
        "ImageId": manifest.image_id,
        "Name": row.name if row else manifest.name,
        "State": row.state if row else "not registered",
        "Description": manifest.description,
        "DefaultUser": manifest.default_user,
        "BootMode": manifest.boot_mode,
        "VirtualSize": manifest.virtual_size,
        "SizeOnDisk": file.stat().st_blocks * 512,
        "Disks": disks,
        "Created": manifest.created,
        "Source": manifest.source,
        "Path": str(file),
    }


def available() -> list[dict[str, Any]]:
    """The commands that make images: recipes, then the catalogue."""
    from ..host import catalogue, image_build

    built = [
        {"Command": f"minicloud images build {name}", "Is": made.description} for name, made in image_build.recipes().items()
    ]
    tiny = {"Command": "minicloud images build tiny", "Is": "A guest of a few MB, for tests"}
    pulled = [{"Command": f"minicloud images pull {name}", "Is": entry.description} for name, entry in catalogue.load().items()]
    return [*built, tiny, *pulled]
