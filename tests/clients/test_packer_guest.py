"""Packer, as Debian 12 has it, builds an image of a Debian guest over SSH, from a plain template.

Only its `ssh_timeout` is not what Packer takes by itself: an emulated guest may need longer.
"""

import json
import sys
import tempfile
from pathlib import Path

import pytest

from minicloud.host.run import run

from ..guest.endpoint_scene import URL, Scene, scene
from ..real_cloud import debian_name, image_named
from .packer_builds import OWN, command, nothing_of_the_build_is_left, tags

__all__ = ["scene"]

pytestmark = [pytest.mark.lab, pytest.mark.guest, pytest.mark.timeout(1800)]


def read(scene: Scene, image: str, path: str) -> str:
    """A file in the first partition of an image's disk, read without starting anything."""
    with tempfile.TemporaryDirectory(dir=scene.directory) as directory:
        disk, raw = Path(directory) / "disk.qcow2", Path(directory) / "disk.raw"
        scene.run(sys.executable, "-m", "minicloud", "images", "export", image, str(disk))
        run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, raw], timeout=300)
        table = json.loads(run(["sfdisk", "--json", raw]).text)["partitiontable"]
        (start,) = [part["start"] for part in table["partitions"] if part["node"] == f"{raw}1"]
        return run(["debugfs", "-R", f"cat {path}", f"{raw}?offset={start * table['sectorsize']}"]).text


def test_an_image_of_a_debian_guest(scene: Scene) -> None:
    ec2, base = scene.ec2, image_named(debian_name())
    words = command("debian.json", endpoint=URL, image=base)
    built = run(words, timeout=1500, env={**scene.environment, **OWN}, cwd=scene.directory, check=False)
    assert built.status == 0, built.text + built.stderr.decode()
    nothing_of_the_build_is_left(ec2)
    (image,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["packed-over-ssh"]}])["Images"]
    assert f"us-east-1: {image['ImageId']}" in built.text
    assert (image["State"], image["SourceImageId"], tags(image)) == ("available", base, {"Base": base, "Of": "packer"})
    (root,) = image["BlockDeviceMappings"]
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[root["Ebs"]["SnapshotId"]])["Snapshots"]
    assert (snapshot["State"], tags(snapshot)) == ("completed", tags(image))
    assert read(scene, image["ImageId"], "/etc/packed") == "amazon-ebs of debian\n"
    ec2.deregister_image(ImageId=image["ImageId"])
    ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
