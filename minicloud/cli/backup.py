"""`minicloud backup FILE`: the host's own backup in one file, made while guests run. It holds keys, so it is root's alone."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import backup_file, own
from .images_progress import Quiet

if TYPE_CHECKING:
    from ..host.backup_manifest import Manifest

LEFT_OUT = 2
"""The exit status where a backup was made and something could not be in it, as the aws CLI's for files that it skipped."""


def answer(manifest: "Manifest", file: Path) -> dict[str, Any]:
    """What is in a backup, with names in AWS's way; sizes in bytes: the file's, and of what is in it."""
    included = {name.split("/")[1] for name in manifest.members if name.startswith("images/")}
    return {
        "File": str(file),
        "FileSize": file.stat().st_size,
        "Created": manifest.created,
        "Host": manifest.host,
        "State": manifest.identity,
        "Generation": manifest.generation,
        "WithDisks": manifest.disks,
        "Size": manifest.size,
        "Instances": manifest.instances,
        "Volumes": manifest.volumes,
        "Disks": len(manifest.layers),
        "Images": [
            {"ImageId": one.image_id, "Name": one.name, "Sha256": one.sha256, "Included": one.image_id in included}
            for one in manifest.images
        ],
        "Messages": list(manifest.messages),
    }


@click.command("backup", short_help="Write the state, the keys and, if asked for, all disks into one file.")
@backup_file.argument
@click.option("--with-disks", "disks", is_flag=True, help="With all disks, and the base images that they stand on.")
@own.answers
@click.pass_context
def command(ctx: click.Context, file: Path, disks: bool, output: str | None, query: str | None) -> None:
    """Write a backup of this minicloud to FILE, which must not exist: a tar archive of mode 0600.

    Without --with-disks it has the state and the keys, and counts on the disks where they are. With it, all volumes are as
    they were at one moment for each instance, with the file systems quiesced where the guest's agent does that. Guests go on.
    A volume, snapshot, image or key whose files are gone or damaged is left out, and told by name; all else is in it, and the
    exit status is 2.
    It holds keys, not encrypted: keep it as you keep those.
    """
    from ..reconcile import backing_up, backup_record

    def left() -> str:
        return f"{file} is whole" if os.path.lexists(file) else f"nothing was written, there is no {file}"

    with backup_file.telling(left), Quiet(str(file)) as progress:
        manifest = backing_up.make(ctx.obj.cloud, file, disks=disks, say=progress.say, progress=progress)
    own.show(ctx, answer(manifest, file.absolute()), output, query)
    record = backup_record.read(ctx.obj.cloud.settings)
    if record is None or record.created != manifest.created or record.left_out:  # or it cannot be noted, which is told
        ctx.exit(LEFT_OUT)
