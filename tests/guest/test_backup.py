"""A backup with its disks while guests run, the loss of everything, and another host that goes on from there.

One story: two tiny guests, written to before and after the backup; then guests, networks, rules, home and images are taken
away, and the backup is restored under another home, with an image store that is empty.
"""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.host.run import run

from ..cloud_fixtures import Ec2
from ..real_cloud import cloud_at, launch, take_away
from ..ssh import Login
from ..waits import until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
HOMES = Path("/var/lib/minicloud")
FILE = HOMES / "backups" / "b.tar"
BLOCK = 1 << 20


def minicloud(cloud: Cloud, *words: str) -> int:
    return execute(words, Session(connect=lambda: cloud))


def there() -> Cloud:
    """Another host: a home of another name, and no images but its own."""
    return cloud_at("backup-there", images=HOMES / "backup-there" / "images", shared_images=None)


@dataclass
class Story:
    """What there was at the moment of the backup, and the clouds before and after."""

    before: Ec2
    after: Ec2
    ids: list[str]
    private: str
    volume: str
    snapshot: str
    described: list[dict[str, Any]]

    def login(self, ec2: Ec2, number: int) -> Login:
        return Login.of(ec2, self.ids[number], "root", self.private)


ROOT = "/root/kept"
"""A file on the root disk."""


def put(guest: Login, device: str, byte: str) -> None:
    """Write a MiB at an offset of 4 MiB, down to the disk."""
    guest.run(f"dd if=/dev/zero bs=1M count=1 2>/dev/null | tr '\\0' {byte} | dd of={device} bs=1M seek=4 conv=notrunc,fsync")


def got(guest: Login, device: str) -> str:
    """The bytes there that differ, once each."""
    return guest.run(f"dd if={device} bs=1M skip=4 count=1 2>/dev/null | tr -s 'a-z'")


def device(volume: str) -> str:
    return f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"


def found(ec2: Ec2, ids: list[str]) -> list[dict[str, Any]]:
    """What DescribeInstances says of them, without what a start changes."""
    told = [ec2.instance(one) for one in ids]
    return [
        {name: one.get(name) for name in ("InstanceId", "PrivateIpAddress", "PublicIpAddress", "ImageId", "Tags")} for one in told
    ]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    ec2 = Ec2(cloud_at("backup-here"))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    launched = ec2("RunInstances", **{**launch("tiny", "t2.nano"), "MinCount": 2, "MaxCount": 2, "KeyName": "k"})
    ids = [one["InstanceId"] for one in launched["Instances"]]
    volume = ec2("CreateVolume", AvailabilityZone=ec2.instance(ids[0])["Placement"]["AvailabilityZone"], Size=1)["VolumeId"]
    ec2("AttachVolume", VolumeId=volume, InstanceId=ids[0], Device="/dev/sdf")
    address = ec2("AllocateAddress")["AllocationId"]
    ec2("AssociateAddress", InstanceId=ids[0], AllocationId=address)
    group = ec2("DescribeSecurityGroups", GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    anybody = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=anybody)
    made = Story(ec2, ec2, ids, private, volume, "", found(ec2, ids))
    one, two = made.login(ec2, 0), made.login(ec2, 1)
    until("the volume is there", lambda: one.run(f"ls {device(volume)} || true"), 60)
    put(one, device(volume), "a")
    made.snapshot = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    put(one, device(volume), "b")
    put(two, ROOT, "b")
    FILE.parent.mkdir(mode=0o755)
    assert minicloud(ec2.cloud, "backup", str(FILE), "--with-disks") == 0
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    assert [row.id for row in ec2.cloud.state.snapshots.query("batch like 'backup-%'")] == []
    put(one, device(volume), "c")
    put(two, ROOT, "c")
    assert [got(one, device(volume)), got(two, ROOT)] == ["c", "c"]
    assert minicloud(there(), "restore", str(FILE)) == 253  # while guests of this state run
    assert not (there().settings.home / "state.sqlite").exists()
    lose(ec2.cloud)
    assert minicloud(there(), "restore", str(FILE)) == 0
    made.after = Ec2(there())
    yield made
    made.after("TerminateInstances", InstanceIds=ids)
    take_away(made.after.cloud.host)


def lose(cloud: Cloud) -> None:
    """The host burns."""
    take_away(cloud.host)
    cloud.state.close()
    for place in (cloud.settings.home, cloud.settings.run):
        shutil.rmtree(place)


def test_guests_start_again_with_what_they_had_at_that_moment(story: Story) -> None:
    assert {story.after.state(one) for one in story.ids} == {"running"}
    assert got(story.login(story.after, 0), device(story.volume)) == "b"
    assert got(story.login(story.after, 1), ROOT) == "b"


def test_addresses_names_and_the_attachment_are_the_same(story: Story) -> None:
    assert found(story.after, story.ids) == story.described
    (attached,) = story.after("DescribeVolumes", VolumeIds=[story.volume])["Volumes"][0]["Attachments"]
    assert (attached["State"], attached["InstanceId"]) == ("attached", story.ids[0])
    with socket.create_connection((story.described[0]["PublicIpAddress"], 22), timeout=60) as through:
        assert through.recv(4) == b"SSH-"


def test_a_snapshot_reads_as_it_did(story: Story) -> None:
    made = story.after("CreateVolume", AvailabilityZone="us-east-1a", SnapshotId=story.snapshot)["VolumeId"]
    layer = story.after.cloud.state.volumes.get(made)
    assert layer is not None
    raw = HOMES / "raw"
    path = story.after.cloud.host.disks.path(layer.layer_id)
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw])
    with raw.open("rb") as file:
        assert os.pread(file.fileno(), BLOCK, 4 * BLOCK) == b"a" * BLOCK
    raw.unlink()
    story.after("DeleteVolume", VolumeId=made)


def test_nothing_of_the_disks_is_anywhere_else(story: Story) -> None:
    home = story.after.cloud.settings.home
    for path in (home / "volumes").glob("*.qcow2"):
        said = run(["qemu-img", "info", "-U", "-f", "qcow2", "--output=json", path]).text
        assert "backup-here" not in said
        if "full-backing-filename" in said:
            assert str(home) in said
    assert not list(home.glob(".restore"))
