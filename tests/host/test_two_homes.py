"""Two homes of one host by their commands: nothing that one deletes takes an image from the other's disks."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.host.run import run
from tests.waits import until

pytestmark = pytest.mark.lab

FIRST, SECOND, IMAGES = Path("/var/lib/mc1"), Path("/var/lib/mc2"), Path("/var/lib/mc-images")
ZONE = ("--availability-zone", "us-east-1a")


@dataclasses.dataclass(frozen=True)
class Home:
    """A home, as MINICLOUD_HOME and the like make it."""

    home: Path
    run: Path

    def asked(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One of its commands, ended."""
        places = {"MINICLOUD_HOME": self.home, "MINICLOUD_RUN": self.run, "MINICLOUD_IMAGES": IMAGES}
        variables = {**os.environ, **{name: str(path) for name, path in places.items()}}
        argv = [sys.executable, "-m", "minicloud", *words]
        return subprocess.run(argv, env=variables, capture_output=True, text=True, check=False, timeout=120)

    def __call__(self, *words: str) -> str:
        done = self.asked(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def of(self, image: str) -> str:
        """The snapshot of an image."""
        path = "Images[0].BlockDeviceMappings[0].Ebs.SnapshotId"
        return self("describe-images", "--image-ids", image, "--query", path, "--output", "text")

    def volume(self, image: str) -> Path:
        """The file of a new volume of an image's."""
        made = json.loads(self("create-volume", *ZONE, "--snapshot-id", self.of(image), "--output", "json"))["VolumeId"]
        look = ("describe-volumes", "--volume-ids", made, "--query", "Volumes[0].State", "--output", "text")
        until(f"{made} is available", lambda: self(*look) == "available")
        (file,) = (self.home / "volumes").glob("layer-*.qcow2")
        return file


@pytest.fixture
def homes() -> Iterator[tuple[Home, Home]]:
    both = Home(FIRST, Path("/run/mc1")), Home(SECOND, Path("/run/mc2"))
    yield both
    for home in both:
        home("uninstall", "--data", "--yes")
    assert not [path for path in (FIRST, SECOND, IMAGES) if path.exists()]


@pytest.fixture
def image(homes: tuple[Home, Home], tmp_path: Path) -> str:
    """An image of the first one's, which the second knows as well."""
    disk = tmp_path / "own.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "4M"])
    run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 9 0 4M", disk])
    made = homes[0]("images", "import", str(disk), "--name", "own")
    assert homes[1].of(made)
    return made


def read(file: Path) -> None:
    """Raise where a volume does not read as its image."""
    assert "failed" not in run(["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 9 0 4M", file]).text


def test_no_command_of_one_takes_an_image_from_the_disks_of_the_other(homes: tuple[Home, Home], image: str) -> None:
    first, second = homes
    file = first.volume(image)
    done = second.asked("images", "rm", image)
    assert (done.returncode, f"the minicloud of {FIRST} needs it: vol-" in done.stderr) == (1, True)
    second("deregister-image", "--image-id", image, "--delete-associated-snapshots")
    second("status")
    read(file)
    said = second("uninstall", "--data", "--yes")
    assert f"left {IMAGES / image}: the minicloud of {FIRST} needs it: vol-" in said
    read(file)
    assert image not in first("doctor")
    (IMAGES / image).rename(IMAGES.parent / image)
    said = first("doctor")
    assert f"the base image {IMAGES / image} is gone" in said
    assert "vol-" in said
    (IMAGES.parent / image).rename(IMAGES / image)
