"""`minicloud uninstall` where something cannot be removed: all else goes, and it is told."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from minicloud import api
from minicloud.cli import uninstall
from minicloud.errors import Permanent, Retry
from minicloud.host import own_names
from minicloud.host.fake import FakeHost
from minicloud.host.firewall_spec import FirewallSpec

from ..cloud_fixtures import Ec2
from ..storage.backups import Place, file, here, small
from ..storage.test_linked_disks import link
from ..storage.test_moved_homes import copied, opened

__all__ = ["file", "here", "small"]

Patch = pytest.MonkeyPatch
WHY = "it cannot be removed now"


def uninstalled(ec2: Ec2, *words: str) -> Result:
    return CliRunner().invoke(uninstall.command, ["--yes", *words], obj=ec2, catch_exceptions=False)


@pytest.mark.parametrize("error", [Retry(WHY), Permanent(WHY)])
def test_of_a_guest(ec2: Ec2, host: FakeHost, error: Exception) -> None:
    guests = sorted(ec2.run() for _ in range(3))
    host.fail("guests.remove", error)  # type: ignore[arg-type]
    done = uninstalled(ec2)
    assert list(host.guests.list()) == guests[:1]
    assert host.networks.list() == {}
    assert f"left the guest {guests[0]}: {WHY}" in done.output
    assert "Not all of minicloud's could be removed" in done.output
    assert done.exit_code == 254
    assert ec2.cloud.settings.run.exists()
    assert uninstalled(ec2).exit_code == 0
    assert host.guests.list() == {}
    assert not ec2.cloud.settings.run.exists()


def test_of_a_network_whose_rules_stay(ec2: Ec2, host: FakeHost) -> None:
    """A guest that somebody else has on it is not without them."""
    ec2.run()
    host.fail("networks.remove", Retry(WHY))
    done = uninstalled(ec2)
    assert host.guests.list() == {}
    assert not host.firewall.in_force(FirewallSpec())
    assert "left the rules of the firewall" in done.output
    assert uninstalled(ec2).exit_code == 0
    assert host.firewall.in_force(FirewallSpec())


@pytest.mark.parametrize("method", ["balancers.remove", "firewall.apply", "firewall.in_force"])
def test_of_what_else_is_on_the_host(ec2: Ec2, host: FakeHost, method: str) -> None:
    subnets = [one["SubnetId"] for one in ec2("DescribeSubnets")["Subnets"]][:2]
    api.call(ec2.cloud, "elbv2", "CreateLoadBalancer", {"Name": "a", "Subnets": subnets, "Scheme": "internal"})
    ec2.run()
    host.fail(method, Retry(WHY))
    done = uninstalled(ec2)
    assert done.exit_code == 254
    assert WHY in done.output
    assert host.guests.list() == {}
    assert host.networks.list() == {}


def test_with_data_the_state_stays_while_anything_is_on_the_host(ec2: Ec2, host: FakeHost) -> None:
    """The guest is known by it."""
    guest = ec2.run()
    host.fail("guests.remove", Retry(WHY))
    done = uninstalled(ec2, "--data")
    assert done.exit_code == 254
    assert ec2.cloud.settings.database.exists()
    assert not (ec2.cloud.settings.home / "credentials.key").exists()
    assert f"the guest {guest}" in done.output
    assert uninstalled(ec2, "--data").exit_code == 0
    assert not ec2.cloud.settings.home.exists()


@pytest.mark.parametrize("name", ["home/volumes/layer-0123456789abcdef0.qcow2", f"home/certificates/{'a' * 32}.key",
                                  "images/ami-0123456789abcdef0/image.qcow2", "home/state.sqlite"])  # fmt: skip
def test_of_a_file(here: Place, monkeypatch: Patch, name: str) -> None:
    here.volume(Size=1)
    here.image()
    bad, unlink = here.directory / name, Path.unlink
    bad.parent.mkdir(exist_ok=True)
    bad.touch()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == bad:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    done = uninstalled(here.ec2, "--data")
    assert done.exit_code == 254
    assert [path for path in here.directory.rglob("*") if path.is_file()] == [bad]
    assert f"left {bad}: [Errno 1]" in done.output


def test_of_a_directory_that_cannot_be_read(here: Place, monkeypatch: Patch) -> None:
    here.volume(Size=1)
    bad, scandir = here.directory / "images", os.scandir

    def refuse(path: Path) -> object:
        if Path(path) == bad:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return scandir(path)

    bad.mkdir(exist_ok=True)
    monkeypatch.setattr(own_names.os, "scandir", refuse)
    done = uninstalled(here.ec2, "--data")
    assert done.exit_code == 254
    assert f"left {bad}: [Errno 5]" in done.output
    assert not here.home.exists()


def test_what_says_whose_it_is_goes_last(here: Place) -> None:
    here.volume(Size=1)
    (here.home / "seeds").mkdir(exist_ok=True)
    (here.home / "seeds/i-0123456789abcdef0.iso").touch()
    went = [Path(what).name for what in uninstall.remove(here.cloud, data=True)]
    assert went.index("i-0123456789abcdef0.iso") < went.index("state.sqlite") < went.index("minicloud.json")


DIRECTORIES = ["volumes/quarantine", "certificates", "nvram", "consoles", "replaced", "logs", "seeds", ".backup"]


@pytest.mark.parametrize("name", DIRECTORIES)
def test_in_a_copy_what_links_lead_to_stays(here: Place, tmp_path: Path, name: str) -> None:
    here.volume(Size=1)
    files = {
        "volumes/quarantine": "20260101T000000Z/layer-0123456789abcdef0.qcow2", "certificates": f"{'a' * 32}.key",
        "nvram": "i-0123456789abcdef0.fd", "consoles": "i-0123456789abcdef0.log", "replaced": "20260101T000000Z/state.sqlite",
        "logs": "b/AWSLogs/123456789012/elasticloadbalancing/us-east-1/a.log", "seeds": "i-0123456789abcdef0.iso",
        ".backup": "state.sqlite",
    }  # fmt: skip
    kept = tmp_path / "big" / files[name]
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    (here.home / name).symlink_to(tmp_path / "big")
    copied(here, tmp_path / "new")
    done = uninstalled(here.ec2, "--data")
    assert kept.exists()
    assert f"left {here.home / name}: {here.home / name} is a link to {tmp_path / 'big'}" in done.output
    assert not here.cloud.settings.database.exists()


def test_the_images_that_disks_behind_a_link_stand_on_stay(here: Place, tmp_path: Path) -> None:
    image_id = here.image()
    here.look()
    (image,) = here.ec2("DescribeImages", ImageIds=[image_id])["Images"]
    volume = here.volume(SnapshotId=image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
    here.write(volume, 0, 1)
    (here.home / "volumes").rename(tmp_path / "big")
    (here.home / "volumes").symlink_to(tmp_path / "big")
    uninstalled(here.ec2, "--data")
    assert [*(here.directory / "images").rglob("image.qcow2")]


def test_of_a_copy_by_hard_links(here: Place, tmp_path: Path) -> None:
    """Its state is not opened; its names go, and the files are the first's."""
    volume = here.volume(Size=1)
    here.cloud.state.close()
    first = here.directory
    shutil.copytree(first, tmp_path / "new", copy_function=os.link, symlinks=True)
    opened(here, tmp_path / "new")
    assert uninstalled(here.ec2, "--data").exit_code == 0
    assert not here.home.exists()
    opened(here, first)
    assert [one["VolumeId"] for one in here.ec2("DescribeVolumes")["Volumes"]] == [volume]


def test_a_disk_that_is_a_link_goes_and_its_file_stays(here: Place, tmp_path: Path) -> None:
    volume = here.volume(Size=1)
    big = link(here, here.state.volumes.get(volume).layer_id, tmp_path / "big")
    copied(here, tmp_path / "new")
    uninstalled(here.ec2, "--data")
    assert big.exists()
