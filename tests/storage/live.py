"""A cloud on the real host of a laboratory with one running tiny guest, and commands inside that guest."""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minicloud import config
from minicloud.cloud import Cloud
from minicloud.host import local
from minicloud.host.base_images import store
from minicloud.host.run import Completed, run
from minicloud.reconcile.worker import worker_for

from ..cloud_fixtures import Ec2
from ..real_cloud import bootable, take_away
from ..waits import until


@dataclass
class Live:
    """The cloud of one directory."""

    directory: Path
    ec2: Ec2
    image: str

    def minicloud(self, *words: str, check: bool = True, input: bytes = b"") -> Completed:
        """minicloud's command line, in a process of its own."""
        own = {name: value for name, value in os.environ.items() if name.startswith("MINICLOUD_")}
        own |= {f"MINICLOUD_{name}": str(self.directory / name.lower()) for name in ("HOME", "RUN")}
        own |= {"HOME": str(self.directory), "PYTHONPATH": os.getcwd()}
        argv = [sys.executable, "-m", "minicloud", *words]
        return run(argv, input=input, check=check, timeout=600, env=own, cwd=self.directory)

    def launch(self, name: str, image: str = "", **params: object) -> str:
        """Launch an instance; wait until it answers."""
        instance_id = self.ec2.run(
            ImageId=image or self.image, InstanceType=bootable("t3.nano"), KeyName="k",
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}], **params,
        )  # fmt: skip
        self.ssh(instance_id, "true")
        return instance_id

    def ssh(self, instance_id: str, command: str, *, check: bool = True) -> str:
        """What a command in the guest says."""
        return self.minicloud("ssh", instance_id, "--timeout", "300", "--", command, check=check).text.strip()

    def look(self) -> None:
        """One pass, as the daemon makes it."""
        self.ec2.look()

    def looks(self, what: str, condition: object, seconds: float = 120.0) -> None:
        """Passes until it is so."""

        def looked() -> object:
            self.look()
            return condition()  # type: ignore[operator]

        until(what, looked, seconds)

    def volume(self, volume_id: str) -> dict[str, object]:
        found: dict[str, object] = self.ec2("DescribeVolumes", VolumeIds=[volume_id])["Volumes"][0]
        return found

    def new_volume(self, size: int = 1, **params: object) -> str:
        made = self.ec2("CreateVolume", **{"AvailabilityZone": "us-east-1a", "Size": size, "VolumeType": "gp3", **params})
        return str(made["VolumeId"])

    def plug(self, instance_id: str, volume_id: str, device: str = "/dev/sdf") -> None:
        """Attach, and wait until the guest has the disk."""
        self.ec2("AttachVolume", InstanceId=instance_id, VolumeId=volume_id, Device=device)
        serial = volume_id.replace("-", "")
        self.ssh(
            instance_id, f"i=0; until grep -qs {serial} /sys/block/*/serial; do i=$((i+1)); [ $i -lt 300 ] && sleep 0.1; done"
        )

    def unplug(self, volume_id: str) -> None:
        """Detach, and wait until the guest has let it go."""
        self.ec2("DetachVolume", VolumeId=volume_id)
        self.looks(f"{volume_id} is available", lambda: self.volume(volume_id)["State"] == "available")

    def disk(self, instance_id: str, volume_id: str) -> str:
        """The guest's own name of a disk, such as vdb."""
        serial = volume_id.replace("-", "")
        return self.ssh(instance_id, f"grep -l {serial} /sys/block/*/serial | cut -d/ -f4")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    image = next((one.image_id for one in reversed(store(config.load()).list()) if one.name == "tiny"), None)
    if image is None:
        pytest.skip("there is no image named tiny; scripts/setup --tests builds it")
    with tempfile.TemporaryDirectory(dir="/run", prefix="minicloud-storage-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        settings = dataclasses.replace(config.load(), home=directory / "home", run=directory / "run")
        cloud = Cloud(settings, local.host)
        cloud.worker = worker_for(cloud)
        made = Live(directory, Ec2(cloud), image)
        made.minicloud("create-key-pair", "--key-name", "k", "--key-type", "ed25519", "--save", "key")
        yield made
        take_away(cloud.host)
