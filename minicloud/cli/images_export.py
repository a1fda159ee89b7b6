"""`minicloud images export AMI FILE`: the root disk of an AMI as one qcow2 file that needs nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..cloud import Cloud


@click.command("export")
@click.argument("image_id", metavar="AMI")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def export(ctx: click.Context, image_id: str, file: Path) -> None:
    """Write the root disk of AMI (its id or name) to FILE, a qcow2 that any QEMU can boot. FILE must not exist."""
    from . import image_names

    image_id = image_names.one(ctx.obj.call, image_id)
    write(ctx.obj.cloud, image_id, file)
    click.echo(f"{file} is the root disk of {image_id}", err=True)


def write(cloud: "Cloud", image_id: str, file: Path) -> None:
    """The same. Raises UsageError for an image that there is not, HostError for a file that cannot be written."""
    from ..reconcile import layer_files, layers

    cloud.worker.refresh("DescribeImages")
    image = cloud.state.images.get(image_id)
    if image is None or image.state != "available":
        raise UsageError(f"there is no image {image_id}; minicloud describe-images lists those that there are")
    snapshot = cloud.state.snapshots.get(image.snapshot_id)
    layer = cloud.state.layers.get(snapshot.layer_id) if snapshot else None
    if layer is None:
        raise UsageError(f"the root disk of {image_id} is gone")
    layers.correct_headers(cloud, layer.id)
    cloud.host.disks.export(layer_files.path(cloud, layer), str(file.absolute()))
